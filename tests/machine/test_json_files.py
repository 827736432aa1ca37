"""Files as schemas: what is written comes back, and a refusal says where and why."""

import json
from typing import Annotated

import pytest
from msgspec import Meta, Struct

from emrnas_jax.errors import InputError
from emrnas_jax.machine.json_files import checked, json_text, read_json, write_json


class Part(Struct, frozen=True):
    count: Annotated[int, Meta(ge=0)]
    mean: float = 0.0


class Whole(Struct, frozen=True, kw_only=True):
    name: str
    parts: dict[str, Part] = {}
    more: tuple[Part, ...] = ()


WHOLE = Whole(name="é", parts={"a b": Part(1), "c": Part(2, 0.1)}, more=(Part(3),))


def refusal(path, kind: type = Whole):
    with pytest.raises(InputError) as raised:
        read_json(path, kind, "write it again")
    message = str(raised.value)
    assert message.startswith(str(path))
    assert message.endswith("; write it again")
    return message.removeprefix(f"{path}").removesuffix("; write it again")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "whole.json"


def test_what_is_written_comes_back(path):
    write_json(path, WHOLE)
    assert read_json(path, Whole, "") == WHOLE
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_file_is_indented_and_ends_its_last_line(path):
    write_json(path, Part(3, 0.5))
    assert path.read_text() == '{\n "count": 3,\n "mean": 0.5\n}\n'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.1 + 0.2, 1e-300])
def test_every_float_comes_back_bit_for_bit(path, value):
    write_json(path, Part(1, value))
    found = read_json(path, Part, "").mean
    assert found == value or (found != found and value != value)


def test_structs_are_written_wherever_they_stand():
    nested = {"parts": [Part(1)], "pair": (Part(2), None)}
    assert json.loads(json_text(nested)) == {
        "parts": [{"count": 1, "mean": 0.0}],
        "pair": [{"count": 2, "mean": 0.0}, None],
    }


def test_keys_of_a_newer_version_are_ignored(path):
    write_json(path, {"name": "x", "colour": "blue"})
    assert read_json(path, Whole, "") == Whole(name="x")


def test_whole_numbers_stand_for_floats_and_not_the_reverse(path):
    write_json(path, {"count": 1, "mean": 3})
    assert read_json(path, Part, "").mean == 3.0
    write_json(path, {"count": 1.5})
    assert "count is 1.5: expected `int`, got `float`" in refusal(path, Part)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": 3}, "name is 3: expected `str`, got `int`"),
        ({"name": None}, "name is None: expected `str`, got `null`"),
        ({"more": [{"count": -1}]}, "more.0.count is -1: expected `int` >= 0"),
        ({"more": [{"count": 1}, 5]}, "more.1 is 5: expected `object`, got `int`"),
        ({"parts": [1]}, "parts: expected `object`, got `array`"),
        ({"parts": {"a b": {}}}, "parts.a b: object missing required field `count`"),
    ],
)
def test_a_refused_value_is_named_with_the_keys_that_lead_to_it(path, change, reason):
    write_json(path, {"name": "x"} | change)
    assert refusal(path) == f": damaged ({reason})"


def test_the_key_of_a_dictionary_is_named_although_later_values_are_wrong_too(path):
    parts = {"good": {"count": 1}, "bad": {"count": "1"}, "worse": {"count": "1"}}
    write_json(path, {"name": "x", "parts": parts, "more": 5})
    assert "parts.bad.count is '1': expected `int`, got `str`" in refusal(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "line 1: not JSON"),
        (b'{\n "name": "x",\n', "line 3: not JSON"),
        (b'{"name": "\xff"}', "utf-8"),
        (b"[]", "expected `object`, got `array`"),
        (b"5", "found 5: expected `object`, got `int`"),
    ],
)
def test_what_is_no_such_file_is_named_with_its_line(path, content, reason):
    path.parent.mkdir()
    path.write_bytes(content)
    assert reason in refusal(path)


def test_a_missing_file_and_a_folder_are_named(path):
    assert refusal(path) == " is missing"
    path.mkdir(parents=True)
    assert "damaged" in refusal(path)


def test_a_row_is_named_by_its_line():
    with pytest.raises(
        InputError, match=r"log, line 7: damaged \(count is 'a'.*; skip"
    ):
        checked({"count": "a"}, Part, "log, line 7", "skip it")


def test_the_record_that_is_checked_is_not_changed():
    record = {"name": "x", "parts": {"a": {"count": 1}, "b": {"count": "x"}}}
    before = json.dumps(record)
    with pytest.raises(InputError):
        checked(record, Whole, "file", "")
    assert json.dumps(record) == before
