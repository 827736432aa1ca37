"""Diagrams of the wide space say what its bodies are, and nothing of the paper's."""

# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false

import io
from dataclasses import replace

import numpy as np
import pytest

from emrnas_jax.nas.space import TABLE_1, Architecture
from emrnas_jax.nas.wide_space import WIDE, is_wide
from emrnas_jax.reporting.certainty import moved
from emrnas_jax.reporting.figures import cells, diagram
from emrnas_jax.reporting.figures.architectures import (
    architecture_pictures,
    diagram_caption,
)
from emrnas_jax.reporting.figures.choices import Choices, draw_choices
from emrnas_jax.reporting.figures.diagram import draw_architecture
from emrnas_jax.reporting.figures.probabilities import draw_probabilities
from emrnas_jax.runs.history import Search
from emrnas_jax.runs.results import NetworkScore, Results
from emrnas_jax.runs.run import FoldRun, Run, Searched

FIFTEEN = Architecture.parse(
    "[skip|thin|pair|four|dilated|narrow|broad|low|high|long|skip|low|pair|thin|four]",
    WIDE,
)


def texts_of(figure):
    return [text for text in figure.axes[0].texts if text.get_text()]


def words(figure):
    return [text.get_text() for text in texts_of(figure)]


def boxes_of(figure):
    """Where each text stands, in pixels."""
    figure.savefig(io.BytesIO(), dpi=100)
    return [text.get_window_extent() for text in texts_of(figure)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("skip", "the component is left out"),
        ("thin", "no convolutions of its own"),
        ("pair", ""),
        ("narrow", "width × 0.5"),
        ("low", "half the resolution, width × 2"),
        ("high", "twice the resolution, width × 0.25"),
        ("long", "17 pixels along the phase encoding"),
    ],
)
def test_words_say_how_a_body_differs(name, text):
    [operation] = [own for own in WIDE if own.name == name]
    assert cells.words_of_body(operation) == text


def test_the_spaces_are_told_apart():
    assert is_wide(WIDE)
    assert is_wide(WIDE[2:4])
    assert not is_wide(TABLE_1)
    assert not is_wide((*TABLE_1, WIDE[0]))


def test_every_component_has_its_body_and_one_that_is_left_out_has_none():
    found = words(draw_architecture(FIFTEEN, None))
    names = {own.name for own in WIDE}
    present = [body.name for (body,) in FIFTEEN.chosen if body.is_present]
    assert [word for word in found if word in names] == present
    assert found.count("left out") == 2
    assert found.count("data consistency") == 13
    assert [word for word in found if word.startswith("Component")] == [
        f"Component {n}" for n in range(1, 16)
    ]


def test_convolutions_are_drawn_with_their_dilations():
    architecture = Architecture.parse("[dilated|long]", WIDE)
    found = words(draw_architecture(architecture, None))
    assert [word for word in found if word.isdigit()] == ["1", "2", "17", "1"]


@pytest.mark.parametrize("probabilities", [None, np.full((15, 10), 0.1)])
def test_many_components_stand_in_rows_and_no_words_lie_on_others(probabilities):
    figure = draw_architecture(FIFTEEN, probabilities)
    assert figure.get_figwidth() < 15
    found = boxes_of(figure)
    clashes = [(a, b) for i, a in enumerate(found) for b in found[:i] if a.overlaps(b)]
    assert not clashes
    right, top = 100 * figure.get_figwidth(), 100 * figure.get_figheight()
    assert all(own.x0 >= 0 and own.x1 <= right for own in found)
    assert all(own.y0 >= 0 and own.y1 <= top for own in found)


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (5, 1), (6, 2), (8, 2), (11, 3)])
def test_rows_are_as_few_as_can_be_read(count, rows):
    architecture = Architecture(FIFTEEN.blocks[1:2] * count, WIDE)
    figure = draw_architecture(architecture, None)
    titles = [t for t in texts_of(figure) if t.get_text().startswith("Component")]
    assert len({round(title.get_position()[1], 3) for title in titles}) == rows
    columns = len({round(title.get_position()[0], 3) for title in titles})
    assert columns <= diagram.IN_A_ROW
    assert rows * columns - count < columns  # none is empty


def test_names_of_choices_fit_their_squares_and_numbers_do_not_touch():
    figure = draw_choices([Choices("Fold 1", FIFTEEN), Choices("Ensemble", FIFTEEN)])
    found = boxes_of(figure)
    assert not any(a.overlaps(b) for i, a in enumerate(found) for b in found[:i])
    assert {"Component", "1", "15", "dilated"} <= set(words(figure))
    squares = [p.get_window_extent() for p in figure.axes[0].patches]
    own = [t for t in texts_of(figure) if t.get_text() in {o.name for o in WIDE}]
    for text, square in zip(own, squares, strict=True):
        name = text.get_window_extent()
        assert square.x0 <= name.x0
        assert name.x1 <= square.x1


def test_all_bodies_are_drawn_with_what_tells_them_apart():
    found = words(cells.draw_operations(WIDE))
    assert {own.name for own in WIDE} <= set(found)
    assert "17 pixels along the phase encoding" in found
    assert not any("connection" in word for word in found)


@pytest.fixture
def run(tmp_path):
    score = NetworkScore(
        psnr_db_mean=30.0, psnr_db_std=0.1, ssim_mean=0.9, ssim_std=0.0, frames=9
    )
    results = Results(
        dataset="Hearts",
        sampling_rate=0.15,
        folds=1,
        convention="paper",
        unit="frame",
        networks={"wide": score},
    )
    certain = np.eye(len(WIDE))[list(FIFTEEN.cells)]
    found = Searched(FIFTEEN, certain)
    config = {"report": {"pdf": False}}
    return Run(tmp_path, config, results, found, [], (FoldRun(1, searched=found),))


def test_captions_say_nothing_of_the_papers_blocks(run):
    pictures = architecture_pictures(run)
    assert [own.name for own in pictures] == [
        "architecture",
        "fold_architectures",
        "operations",
    ]
    texts = " ".join(own.caption + own.description for own in pictures)
    for word in ("residual", "Table 1", "arc ", "connection", "draw"):
        assert word not in texts
    assert "2 of 15 components are left out" in texts
    assert "low: 2 convolutions, half the resolution, width × 2" in texts
    assert "long: 1 convolution, 17 pixels along the phase encoding" in texts
    one = Architecture.parse("[pair|skip]", WIDE)
    assert "1 of 2 components is left out" in diagram_caption(one)
    assert "left out" not in diagram_caption(Architecture.parse("[pair]", WIDE))


def test_a_choice_that_was_given_has_no_percentage(run):
    assert moved(run.searched.probabilities) is None
    p = np.full((15, 10), 0.1)
    assert moved(p) is p
    first, *_ = architecture_pictures(run)
    assert "percentage" not in first.caption
    first, *_ = architecture_pictures(replace(run, searched=Searched(FIFTEEN, p)))
    assert "15 of 15 choices are close to a draw" in first.caption


def test_p_of_many_components_stands_in_rows(run):
    p = np.random.default_rng(0).dirichlet(np.ones(10), (3, 11))
    nothing = np.full(3, np.nan)
    search = Search(np.arange(3), nothing, nothing, nothing, np.arange(3), p)
    eleven = Searched(Architecture(FIFTEEN.blocks[:11], WIDE), p[-1])
    figure = draw_probabilities(replace(run.folds[0], search=search, searched=eleven))
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in panels] == [
        f"Component {n}" for n in range(1, 12)
    ]
    for cell, axes in enumerate(panels):
        np.testing.assert_array_equal(
            [line.get_ydata() for line in axes.lines[1:]], p[:, cell].T
        )
    assert [axes.get_xlabel() for axes in panels] == [""] * 7 + ["epoch"] * 4
    assert figure.get_figwidth() < 10
