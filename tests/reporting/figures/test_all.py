import io
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.patches import PathPatch
from matplotlib.text import Text
from PIL import Image

from emrnas_jax.nas.space import OPERATIONS, PRESETS, TABLE_1, Architecture, Operation
from emrnas_jax.nas.wide_space import WIDE
from emrnas_jax.reporting.colours import operation_colour
from emrnas_jax.reporting.figures import curves, probabilities
from emrnas_jax.reporting.figures.all import all_pictures
from emrnas_jax.reporting.figures.architectures import cells_agreed
from emrnas_jax.reporting.figures.cells import draw_operations
from emrnas_jax.reporting.figures.choices import Choices, draw_choices
from emrnas_jax.reporting.figures.diagram import draw_architecture
from emrnas_jax.reporting.figures.front import front_pictures
from emrnas_jax.reporting.figures.reconstructions import Panel, draw_reconstructions
from emrnas_jax.runs.folder import RunFolder
from emrnas_jax.runs.front import Front, FrontPoint, write_front
from emrnas_jax.runs.history import read_search
from emrnas_jax.runs.run import Searched, read_run
from tests.fixtures.runs import write_run

pytestmark = pytest.mark.slow


def words(figure):
    return [text.get_text() for text in figure.findobj(Text)]


@pytest.fixture(scope="module")
def content(reported):
    return read_run(reported)


@pytest.fixture
def panels():
    generator = np.random.default_rng(0)
    target = generator.random((8, 16), np.float32)
    errors = {"Zero-filled": 0.4, "DC-CNN": 0.1, "EMR-NAS": 0.05}
    return target, [
        Panel(name, np.clip(target + size, 0, 1).astype(np.float32), 10 / size)
        for name, size in errors.items()
    ]


FRONT = Front(
    device="a device",
    budget_ms=12.0,
    chosen="[O2 O3 O1]",
    points=(
        FrontPoint(architecture="[O7 O7 O7]", ms=8.0, gain_db=-0.3),
        FrontPoint(architecture="[O2 O3 O1]", ms=11.5, gain_db=0.2),
        FrontPoint(architecture="[O1 O1 O1]", ms=15.0, gain_db=0.4),
    ),
    judged=(FrontPoint(architecture="[O4 O4 O4]", ms=10.0, gain_db=0.0),),
    error_db=0.08,
)


def test_the_front_of_a_search_is_drawn_with_its_choice(tmp_path):
    run = read_run(write_run(tmp_path / "run"))
    assert front_pictures(run) == []
    write_front(RunFolder(run.path).front(), FRONT)
    [picture] = front_pictures(run)
    assert picture.name == "front"
    assert picture.png.startswith(b"\x89PNG")
    assert "takes the best within 12.0 ms, [O2 O3 O1]: 11.50 ms" in picture.caption
    assert "0.08 dB off" in picture.caption
    names = [own.name for own in all_pictures(run)["search"]]
    assert names == ["quality_and_time", "front", "front_operations", "search"]


def test_png_files_open_and_are_neither_tiny_nor_huge(reported):
    for path in (reported / "report" / "figures").glob("*.png"):
        with Image.open(path) as image:
            assert image.format == "PNG"
            assert 500 <= image.width <= 3000, path.name
            assert 200 <= image.height <= 2500, path.name
            assert np.asarray(image.convert("L")).std() > 5, f"{path.name} is blank"


def test_all_error_maps_share_one_scale_and_all_images_another(panels):
    target, networks = panels
    mask = np.zeros(target.shape, bool)
    figure = draw_reconstructions(target, mask, networks, None)
    images = [axes.images[0] for axes in figure.axes if axes.images]
    errors = [image for image in images if image.get_cmap().name == "magma"]
    grey = [image for image in images if image.get_cmap().name == "gray"]
    assert len(errors) == 3
    assert len(grey) == 5
    assert len({image.get_clim() for image in errors}) == 1
    assert {image.get_clim() for image in grey} == {(0, 1)}
    np.testing.assert_allclose(
        np.asarray(errors[1].get_array()), np.abs(networks[1].image - target), rtol=1e-6
    )


def test_every_panel_says_its_network_and_psnr(panels):
    target, networks = panels
    mask = np.zeros(target.shape, bool)
    found = words(draw_reconstructions(target, mask, networks, None))
    for label in ("Zero-filled\n25.00 dB", "DC-CNN\n100.00 dB", "EMR-NAS\n200.00 dB"):
        assert label in found


def test_the_mask_is_shown_with_the_zero_frequency_in_the_middle(panels):
    target, networks = panels
    mask = np.zeros(target.shape, bool)
    mask[0] = True
    figure = draw_reconstructions(target, mask, networks, None)
    (shown,) = [a.images[0] for a in figure.axes if a.get_title().startswith("Mask")]
    assert np.flatnonzero(np.asarray(shown.get_array())[:, 0]).tolist() == [4]


def test_a_perfect_reconstruction_can_be_drawn(panels):
    target, _ = panels
    figure = draw_reconstructions(
        target, np.ones(target.shape, bool), [Panel("EMR-NAS", target, np.inf)], None
    )
    figure.savefig(io.BytesIO())
    assert "EMR-NAS\ninf dB" in words(figure)


def test_the_diagram_names_every_cell_in_order():
    figure = draw_architecture(PRESETS["cardiac"], None)
    labels = [word for word in words(figure) if word in {o.name for o in OPERATIONS}]
    assert labels == [OPERATIONS[choice].name for choice in PRESETS["cardiac"].cells]
    dilations = [word for word in words(figure) if word in {"1", "2", "4"}]
    expected = [
        str(d) for c in PRESETS["cardiac"].cells for d in OPERATIONS[c].dilations
    ]
    assert dilations == expected


@pytest.mark.parametrize(("name", "arcs"), [("O1", 6), ("O5", 3), ("O6", 2), ("O7", 1)])
def test_an_arc_is_drawn_for_every_carried_map(name, arcs):
    figure = draw_architecture(Architecture.parse(f"[{name}]"), None)
    assert len(figure.findobj(PathPatch)) == arcs


def test_the_diagram_gives_p_of_the_chosen_operations():
    p = np.full((2, 8), 0.1)
    p[0, 7] = 0.3
    p[1, 0] = 0.14
    architecture = Architecture.parse("[O8 O1]")
    for figure in (
        draw_architecture(architecture, p),
        draw_choices([Choices("Ensemble", architecture, p)]),
    ):
        assert {"30\u00a0%", "14\u00a0%\n≈ draw"} <= set(words(figure))
        (note,) = [word for word in words(figure) if "p of the choice" in word]
        assert "Uniform choice: 12.5\u00a0%" in note
        figure.savefig(io.BytesIO(), dpi=100)
        (written,) = [t for t in figure.findobj(Text) if t.get_text() == note]
        assert written.get_window_extent().x1 < 100 * figure.get_figwidth()


def test_a_given_architecture_has_no_p_in_its_diagram():
    architecture = Architecture.parse("[O8 O1]")
    for figure in (
        draw_architecture(architecture, None),
        draw_choices([Choices("Ensemble", architecture)]),
    ):
        assert not any("%" in word or "Uniform" in word for word in words(figure))


def test_networks_of_any_depth_can_be_drawn():
    one = Architecture.parse("[O1]")
    deep = Architecture.parse("[" + "|".join(["O1 O2 O3 O4"] * 7) + "]")
    small, large = draw_architecture(one, None), draw_architecture(deep, None)
    assert small.get_figwidth() < large.get_figwidth()
    assert (
        words(draw_choices([Choices("1", deep), Choices("2", deep)])).count("O4") == 14
    )


def test_figures_name_the_operations_that_the_run_had(content):
    wide, unknown = Operation("wide", (1, 1, 4, 1), (1,)), Operation("O10", (), ())
    operations = (*TABLE_1[:6], wide, unknown)
    one = Architecture.parse("[wide O10 O2]", operations)
    assert {"wide", "O10", "O2"} <= set(words(draw_architecture(one, None)))
    assert {"wide", "O10", "O2"} <= set(words(draw_choices([Choices("Fold 1", one)])))
    shown = words(draw_operations(operations))
    assert "dilation 1-1-4-1, connection 1" in shown
    assert "dilation and connection unknown" in shown
    assert "O8" not in shown
    p = np.full((1, 3, 8), 0.1)
    p[0, :, 6] = 0.3
    epoch = np.array([1])
    search = replace(content.folds[0].search, search_epoch=epoch, probabilities=p)
    fold = replace(content.folds[0], search=search, searched=Searched(one, p[0]))
    assert words(probabilities.draw_probabilities(fold)).count("wide") == 4


def test_agreement_counts_cells_that_all_folds_share():
    parsed = [Architecture.parse(text) for text in ("[O1 O2 O3]", "[O1 O3 O3]")]
    assert cells_agreed(parsed) == 2


def test_probability_panels_are_one_per_cell_with_one_line_per_operation(content):
    fold = content.folds[0]
    figure = probabilities.draw_probabilities(fold)
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert len(panels) == 15
    last = fold.search.probabilities[-1]
    grid = np.asarray(panels).reshape(3, 5).T.ravel()  # cells run down a component
    for cell, axes in enumerate(grid):
        drawn = [line for line in axes.lines if len(line.get_xdata()) == 4]
        assert [to_hex(line.get_color()) for line in drawn] == [
            operation_colour(operation) for operation in range(8)
        ]
        ends = [line.get_ydata()[-1] for line in drawn]
        np.testing.assert_allclose(ends, last[cell])
        assert [text.get_text() for text in axes.texts] == [
            f"O{last[cell].argmax() + 1}"
        ]


@pytest.mark.parametrize("cells", [1, 2, 3, 15])
def test_the_legend_of_a_small_search_is_whole_and_its_epochs_are(content, cells):
    fold = content.folds[0]
    search = replace(
        fold.search,
        search_epoch=fold.search.search_epoch[:2],
        probabilities=fold.search.probabilities[:2, :cells],
    )
    figure = probabilities.draw_probabilities(replace(fold, search=search))
    figure.savefig(io.BytesIO(), dpi=100)
    shown = figure.legends[0].get_window_extent()
    assert shown.x0 >= 0
    assert shown.x1 <= 100 * figure.get_figwidth()
    assert len(figure.legends[0].get_texts()) == 8
    ticks = [axes.get_xticks() for axes in figure.axes if axes.get_visible()]
    assert all((own == own.round()).all() for own in ticks)


def test_one_epoch_and_a_training_that_diverged_can_be_drawn(content):
    fold = content.folds[0]
    search = replace(
        fold.search,
        train_loss=np.full(8, np.nan),
        validation_loss=np.full(8, np.nan),
        search_epoch=fold.search.search_epoch[:1],
        probabilities=fold.search.probabilities[:1],
    )
    lost = np.asarray([np.nan, np.inf, np.nan, np.nan])
    training = replace(fold.retraining["emrnas"], train_loss=lost, train_psnr_db=lost)
    fold = replace(fold, search=search, retraining={"emrnas": training})
    broken = replace(content, folds=(fold,))
    assert len(curves.search_pictures(broken)) == 1
    assert len(probabilities.probability_pictures(broken)) == 1
    assert len(curves.retraining_pictures(broken)) == 1


def test_a_search_that_wrote_no_epoch_yet_has_no_pictures(content, tmp_path):
    empty = read_search(tmp_path / "metrics.jsonl")
    fold = replace(content.folds[0], search=empty)
    started = replace(content, folds=(fold,))
    assert curves.search_pictures(started) == []
    assert probabilities.probability_pictures(started) == []


def test_operations_have_colours_far_apart():
    count = max(len(OPERATIONS), len(WIDE))
    colours = np.asarray([to_rgb(operation_colour(o)) for o in range(count)])
    distances = np.linalg.norm(colours[:, None] - colours[None], axis=-1)
    assert (distances + np.eye(count)).min() > 0.2


def test_drawing_leaves_the_settings_of_matplotlib_alone(run):
    content = read_run(run)
    trimmed = replace(content, folds=content.folds[:1])
    with mpl.rc_context({"font.size": 17, "axes.grid": False}):
        before = dict(mpl.rcParams)
        all_pictures(trimmed)
        assert dict(mpl.rcParams) == before
