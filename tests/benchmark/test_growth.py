import json

import pytest

from emrnas_jax.benchmark import growth
from emrnas_jax.benchmark.command import main


def test_the_exponent_of_a_power_is_its_exponent():
    values = [1, 2, 5, 10]
    assert growth.exponent(values, [7.0 * v**1.5 for v in values]) == pytest.approx(1.5)


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
    main(["growth", "--quick", "--repeats=1", "--axes", "components", folder])
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
