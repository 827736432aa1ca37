import json

import numpy as np
import pytest

from emrnas_jax.benchmark.tables import markdown, measured_on, shown, write_rows


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("step_ms", 1234.5, "1,234"),
        ("step_ms", 12.345, "12.3"),
        ("step_ms", 0.012345, "0.0123"),
        ("torch_ratio", 0.876, "0.88"),
        ("step_ms_exponent", 1.0, "1.00"),
        ("arithmetic_fraction", 0.876, "88 %"),
        ("batch", 4, "4"),
        ("temporary_mib", float("nan"), "–"),
        ("torch_ms", None, "–"),
        ("torch_variant", "eager", "eager"),
    ],
)
def test_a_figure_has_the_digits_of_its_kind(key, value, text):
    assert shown(key, value) == text


def test_a_table_has_the_known_columns_of_any_row_in_order(row):
    first, second = row(step_ms=10.0), row(step_ms=20.0, torch_ratio=0.5, other=1)
    text = markdown("Steps", "How it was measured.", [first, second])
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0][:2] == ["size", "batch"]
    assert cells[0].index("ms") < cells[0].index("ratio") < cells[0].index("compile, s")
    assert "other" not in text
    ratio = cells[0].index("ratio")
    assert [line[ratio] for line in cells[2:]] == ["–", "0.50"]
    assert "Steps" in text
    assert "How it was measured." in text


def test_rows_are_written_whole_as_json_and_shown_as_markdown(row, tmp_path):
    rows = [row(other=[1, 2])]
    write_rows(tmp_path, "steps", "Steps", "Caption.", rows)
    assert json.loads((tmp_path / "steps.json").read_text()) == rows
    assert (tmp_path / "steps.md").read_text() == markdown("Steps", "Caption.", rows)


def test_the_caption_names_the_device_and_both_versions(row):
    assert measured_on(row()).startswith("a device, JAX 0.0. Medians; ratio = ours")
    beside = measured_on(row(torch="2.1", torch_threads=2))
    assert beside.startswith("a device, JAX 0.0, PyTorch 2.1 with 2 threads.")


def test_numbers_of_numpy_are_shown_like_others():
    assert shown("step_ms", float(np.float32(2.5))) == "2.5"
