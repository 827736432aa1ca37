"""A latency table adds up, and is not used for what it was not measured for."""

import pytest
from msgspec.structs import replace

from emrnas_jax.errors import InputError
from emrnas_jax.nas.latency_table import (
    LatencyTable,
    Measured,
    read_table,
    times_by_group,
    write_table,
)
from emrnas_jax.nas.space import TABLE_1, Architecture

MEASURED = Measured(
    device="a processor, 2 logical cores",
    settings={
        "components": 2,
        "cells_per_block": 2,
        "width": 16,
        "precision": "float32",
    },
    size=(64, 48),
    batch=1,
    coils=0,
)
TABLE = LatencyTable(
    measured=MEASURED,
    jax="0.0",
    rest_ms=10.0,
    operations_ms={"O1": 4.0, "O2": 2.5, "O3": 3.0},
)


def test_the_time_of_an_architecture_is_the_sum_of_its_cells_and_the_rest():
    assert TABLE.predict_ms(Architecture.parse("[O1 O1|O3 O2]")) == 10 + 8 + 5.5
    assert TABLE.fastest_ms == 10 + 4 * 2.5
    with pytest.raises(InputError, match="no operation O8; make it anew"):
        TABLE.predict_ms(Architecture.parse("[O1 O1|O3 O8]"))


@pytest.mark.parametrize(
    ("groups", "choices", "text"),
    [
        ((0, 1, 2, 3), (0, 1, 3, 2), "[O1 O2|O8 O3]"),
        ((0, 1, 0, 1), (2, 3), "[O3 O8|O3 O8]"),
    ],
)
def test_the_times_of_groups_add_up_to_that_of_the_architecture(groups, choices, text):
    operations = [own for own in TABLE_1 if own.name in ("O1", "O2", "O3", "O8")]
    table = replace(TABLE, operations_ms={**TABLE.operations_ms, "O8": 7.0})
    times = times_by_group(table, groups, operations)
    total = sum(own[choice] for own, choice in zip(times, choices, strict=True))
    assert total == pytest.approx(table.predict_ms(Architecture.parse(text)))
    with pytest.raises(InputError, match="no operation O8; make it anew"):
        times_by_group(TABLE, groups, operations)


def test_a_table_that_was_written_is_read_for_the_same_device_and_network(tmp_path):
    write_table(tmp_path / "table.json", TABLE)
    assert read_table(tmp_path / "table.json", MEASURED) == TABLE


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"device": "a GPU"}, "measured with device 'a proc.*here it is 'a GPU'; make"),
        ({"size": (64, 64)}, r"size \(64, 48\), and here it is \(64, 64\)"),
        ({"batch": 8}, "batch 1, and here it is 8"),
        ({"coils": 4}, "coils 0, and here it is 4"),
        (
            {"settings": {**MEASURED.settings, "precision": "bf16"}},
            "precision 'float32'",
        ),
        ({"settings": {**MEASURED.settings, "width": 8}}, "width 16, and here it is 8"),
    ],
)
def test_a_table_of_something_else_is_refused(tmp_path, changes, message):
    path = tmp_path / "table.json"
    write_table(path, TABLE)
    with pytest.raises(InputError, match=rf"table\.json: .*{message}"):
        read_table(path, replace(MEASURED, **changes))


def test_a_missing_or_damaged_table_is_refused(tmp_path):
    path = tmp_path / "table.json"
    with pytest.raises(InputError, match="is missing; make it anew"):
        read_table(path, MEASURED)
    path.write_text('{"jax": "0.0"}')
    with pytest.raises(InputError, match="damaged"):
        read_table(path, MEASURED)
