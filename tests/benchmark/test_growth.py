import json

import numpy as np
import pytest
from scipy.stats import linregress

from emrnas_jax.benchmark import growth
from emrnas_jax.benchmark.command import main
from emrnas_jax.benchmark.jax_steps import PROGRAMS


def test_the_exponent_of_a_power_is_its_exponent():
    values = [1, 2, 5, 10]
    assert growth.exponent(values, [7.0 * v**1.5 for v in values]) == pytest.approx(1.5)


def test_the_exponent_is_the_slope_of_a_regression_on_log_axes():
    values, figures = [1, 2, 4, 8, 16], [3.0, 5.0, 12.0, 20.0, 55.0]
    expected = linregress(np.log(values), np.log(figures)).slope  # pyright: ignore
    assert growth.exponent(values, figures) == pytest.approx(expected)


BASE = growth.Base(cells_per_block=1, size=16, width=4)


@pytest.fixture
def grown(clock, monkeypatch):
    """Rows of programs that grow as known powers of N and of the batch."""

    def program(power):
        def made(case):
            work = len(case.architecture.blocks) ** power * case.batch
            return clock.program(float(work), mib=2.0 * work)

        return made

    for name, power in zip(PROGRAMS, (1, 2, 3), strict=True):
        monkeypatch.setitem(PROGRAMS, name, program(power))
    ranges = {"components": (1, 2, 4), "batch": (1, 2)}
    return growth.growth_rows(ranges, BASE, 1)


def test_one_setting_is_varied_at_a_time(grown):
    found = [(r["axis"], r["value"]) for r in grown if r["program"] == "reconstruct"]
    settings = [("components", n) for n in (1, 2, 4)] + [("batch", n) for n in (1, 2)]
    assert found == settings
    for row in grown:
        components = row["value"] if row["axis"] == "components" else BASE.components
        assert row["architecture"].count("|") == components - 1
        assert row["batch"] == (row["value"] if row["axis"] == "batch" else BASE.batch)


def test_the_exponents_of_known_powers_are_found(grown):
    found = {(r["program"], r["label"]): r for r in growth.summary_rows(grown)}
    assert len(found) == 6
    for name, power in zip(PROGRAMS, (1, 2, 3), strict=True):
        for figure in ("step_ms_exponent", "temporary_mib_exponent"):
            assert found[name, "components"][figure] == pytest.approx(power)
            assert found[name, "batch"][figure] == pytest.approx(1)
        assert found[name, "batch"]["compile_s_exponent"] == pytest.approx(0)


def test_a_curve_is_of_one_program_and_one_setting(grown):
    assert growth.curve(grown, "search-step", "components", "temporary_mib") == (
        [1, 2, 4],
        pytest.approx([4.0, 32.0, 256.0]),
    )


def test_the_fastest_of_several_compilations_counts(monkeypatch, clock, case):
    seconds = iter([5.0, 3.0, 4.0])
    monkeypatch.setitem(
        PROGRAMS,
        "reconstruct",
        lambda _: clock.program(1)._replace(compile_s=next(seconds)),
    )
    assert growth._built("reconstruct", case, 3).compile_s == 3


def test_the_ratio_of_compilations_is_that_of_the_search_over_components():
    rows = [
        {"program": program, "axis": axis, "value": value, "compile_s": seconds}
        for program, axis, value, seconds in [
            ("search-step", "components", 1, 4.0),
            ("search-step", "components", 20, 5.0),
            ("train-step", "components", 20, 60.0),
            ("search-step", "size", 20, 9.0),
        ]
    ]
    assert growth.compile_ratio(rows) == 1.25


@pytest.mark.slow
def test_growth_writes_its_rows_exponents_and_plots(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(growth, "QUICK", {"components": (1, 2)})
    monkeypatch.setattr(growth, "COMPILATIONS", 1)
    folder = f"--output={tmp_path}"
    main(["growth", "--quick", "--repeats=1", "--axes=components", folder])
    assert "longest / shortest" in capsys.readouterr().out
    rows = json.loads((tmp_path / "growth.json").read_text())
    assert [(r["program"], r["value"]) for r in rows] == [
        (program, value)
        for value in (1, 2)
        for program in ("reconstruct", "train-step", "search-step")
    ]
    exponents = json.loads((tmp_path / "exponents.json").read_text())
    assert len(exponents) == 3
    # Twice the components, twice the weights of a step's intermediates, or less.
    assert all(row["temporary_mib_exponent"] < 1.2 for row in exponents)
    for name in ("step_ms", "temporary_mib", "compile_s", "roofline"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
