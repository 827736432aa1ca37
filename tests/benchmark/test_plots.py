"""Plots of rows that are written by hand: what is drawn where."""

import matplotlib.pyplot as plt
import pytest

from emrnas_jax.benchmark import plots
from emrnas_jax.benchmark.jax_steps import PROGRAMS


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Return the figure that a plot writes, once its file was seen to be written."""
    figures = []
    render = plots.render

    def kept(figure):
        figures.append(figure)
        return render(figure)

    monkeypatch.setattr(plots, "render", kept)

    def draw(write, *arguments):
        path = tmp_path / "plot.png"
        write(path, *arguments)
        assert path.read_bytes().startswith(b"\x89PNG")
        return figures[-1]

    yield draw
    plt.close("all")


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_growth_has_a_line_per_program_and_its_exponent(drawn, row):
    rows = [
        row(program=program, axis=axis, value=value, step_ms=2.0 * value**power)
        for program, power in zip(PROGRAMS, (1, 1.5, 2), strict=True)
        for axis in ("batch", "size")
        for value in (1, 2, 4)
    ]
    figure = drawn(plots.write_growth, rows, "step_ms", "time, ms")
    first, second = figure.axes
    assert labels(first) == [
        f"{program}: {power:.2f}"
        for program, power in zip(PROGRAMS, (1, 1.5, 2), strict=True)
    ]
    assert first.get_xscale() == first.get_yscale() == "log"
    assert first.get_ylabel() == "time, ms"
    assert (first.get_xlabel(), second.get_xlabel()) == (
        plots.AXES["batch"],
        plots.AXES["size"],
    )
    assert list(first.lines[2].get_ydata()) == [2, 8, 32]


def test_throughput_has_ours_and_pytorch_s_variants_per_size(drawn, row):
    rows = [
        row(batch=4, step_ms=20.0, torch_variants_ms={"eager": 40.0}),
        row(batch=1, step_ms=10.0, torch_variants_ms={"eager": 20.0}),
    ]
    [axes] = drawn(plots.write_throughput, rows).axes
    assert labels(axes) == ["ours, 16 × 16", "PyTorch eager, 16 × 16"]
    ours, theirs = axes.lines
    assert list(ours.get_xdata()) == [1, 4]  # in order, whatever that of the rows
    assert list(ours.get_ydata()) == [100, 200]
    assert list(theirs.get_ydata()) == [50, 100]


def test_the_roof_is_the_lower_of_both_ceilings(drawn, row):
    rows = [row(), row("train-step", arithmetic_fraction=0.25)]
    [axes] = drawn(plots.write_roofline, rows).axes
    [roof] = axes.lines
    intensity, ceiling = roof.get_data()
    assert ceiling[0] == pytest.approx(10 * intensity[0])
    assert ceiling[-1] == 200
    points = [scatter.get_offsets()[0].tolist() for scatter in axes.collections]
    assert points == [[50, 100], [50, 50]]
    assert labels(axes) == ["reconstruct, float32", "train-step, float32"]
