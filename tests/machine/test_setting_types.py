"""Settings of the wrong type, or misspelt, are told with their key in one line."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.machine.setting_types import has_type, section_of, types_of, wrong_type


@dataclass(frozen=True)
class Section:
    batch: int
    rate: float = 0.1
    name: str = "a"
    on: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)


@pytest.mark.parametrize(
    ("value", "fitting"),
    [
        (3, {int, float}),
        (np.int64(3), {int, float}),
        (0.5, {float}),
        (np.float32(0.5), {float}),
        (True, {bool}),
        ("3", {str}),
        ({}, {Mapping}),
        ([3], {tuple[int, ...]}),
        ((3,), {tuple[int, ...]}),
        (None, set()),
    ],
)
def test_a_value_has_the_types_that_can_hold_it(value, fitting):
    types = (int, float, bool, str, Mapping, tuple[int, ...])
    assert {kind for kind in types if has_type(value, kind)} == fitting
    assert has_type(value, int | str) == bool(fitting & {int, str})
    assert has_type(value, Any)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch": "8"}, "search.batch: expected a whole number, found '8'"),
        ({"batch": 8.0}, "search.batch: expected a whole number, found 8.0"),
        ({"batch": None}, "search.batch: expected a whole number, found None"),
        ({"batch": 8, "rate": "1e-3"}, "search.rate: expected a number, found '1e-3'"),
        ({"batch": 8, "on": 1}, "search.on: expected True or False, found 1"),
        ({"batch": 8, "name": ["a"]}, "search.name: expected text, found ['a']"),
        ({"batch": 8, "more": 1}, "search.more: expected a section, found 1"),
        ({"bach": 8}, "search.bach: search has no 'bach'; did you mean batch?"),
        ({"zzz": 8}, "search.zzz: search has no 'zzz'; batch, rate, name, on, more"),
        ({}, "config section 'search': "),
        (8, "search: expected a section, found 8"),
    ],
)
def test_a_section_that_cannot_be_read_is_told_with_its_key(values, message):
    with pytest.raises(InputError) as raised:
        section_of(values, "search", Section)
    assert str(raised.value).startswith(message)
    assert section_of({"batch": 8, "rate": 1}, "search", Section) == Section(8, 1)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (["O1", "O8"], "[O1 O8]"),
        (("O1",), "[O1]"),
        ([["O1", "O2"], ["O3", "O4"]], "[O1 O2|O3 O4]"),
        ([], "[O5 O8 O8|O4 O1 O2]"),
        (8, "[O5 O8 O8|O4 O1 O2]"),
    ],
)
def test_an_architecture_is_shown_as_it_is_written(value, text):
    key = "networks.emrnas.architecture"
    assert wrong_type(key, str, value) == (
        f"{key}: expected text, found {value!r}; write it as {text}"
    )


def test_a_function_without_annotations_has_the_types_of_its_defaults():
    def plain(components, width=16, consistency="two_step", more=None):
        del components, width, consistency, more

    assert types_of(plain) == {"width": int, "consistency": str}
