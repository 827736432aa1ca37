"""Checks of settings: types and spelling, with messages of one line for the user.

A key is that of the whole config, such as `search.batch`.
"""

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from emrnas_jax.errors import InputError

Section = TypeVar("Section")

WORDS: dict[Any, str] = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "text",
    Mapping: "a section",
    list: "a list",
    tuple: "a list",
}


def section_of(values: Any, key: str, kind: type[Section]) -> Section:
    """Return settings as the dataclass that checks them.

    Args:
        values: the settings by name, as the config has them.
        key: key of the section.
        kind: the dataclass.

    Raises:
        InputError: the settings are no section, or a key or value cannot be used.
    """
    require_types("", {key: Mapping}, {key: values})
    types = types_of(kind)
    require_known(key, types, values)
    require_types(key, types, values)
    try:
        # A setting without a default may be missing; the checks see only given ones.
        return kind(**values)
    except TypeError as error:
        raise InputError(f"config section {key!r}: {error}") from error


def require_types(
    section: str, types: Mapping[str, Any], values: Mapping[str, Any]
) -> None:
    """Check that settings have the types that they must have.

    Args:
        section: the key of the section that they are in; empty for the whole config.
        types: types by name. A setting without one is not checked.
        values: the settings by name.

    Raises:
        InputError: a setting has another type; the message has its key.
    """
    for name, value in values.items():
        if name in types and not has_type(value, types[name]):
            key = f"{section}.{name}" if section else name
            raise InputError(wrong_type(key, types[name], value))


def require_known(section: str, known: Iterable[str], values: Mapping) -> None:
    """Check that a section has no setting beside those that there are.

    Args:
        section: its key.
        known: names of its settings.
        values: the settings by name.

    Raises:
        InputError: a setting is unknown; the message has its key and the nearest one.
    """
    known = list(known)
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known)
            found = f"did you mean {' or '.join(near)}?" if near else ", ".join(known)
            raise InputError(f"{section}.{name}: {section} has no {name!r}; {found}")


def has_type(value: object, expected: Any) -> bool:
    """Return whether a value has a type; a whole number is a number, and True is none.

    Args:
        value: value of a setting.
        expected: type, as an annotation has it.
    """
    if expected is Any:
        return True
    if isinstance(expected, UnionType):
        return any(has_type(value, one) for one in get_args(expected))
    if expected in (int, float):
        # These include NumPy's numbers, most of which are no int or float.
        number = Integral if expected is int else Real
        return isinstance(value, number) and not isinstance(value, bool)
    expected = get_origin(expected) or expected
    if expected in (list, tuple):  # JSON has no tuples
        return isinstance(value, list | tuple)
    # An annotation that is no class cannot be tested, so every value passes.
    return not isinstance(expected, type) or isinstance(value, expected)


def wrong_type(key: str, expected: Any, value: object) -> str:
    """Return the message about a setting of another type.

    Args:
        key: key of the setting.
        expected: type that the setting must have.
        value: value that was found.
    """
    if isinstance(expected, UnionType):
        # One type is enough for a message.
        expected = get_args(expected)[0]
    expected = get_origin(expected) or expected
    words = WORDS.get(expected, expected.__name__)
    text = f"{key}: expected {words}, found {value!r}"
    if key.endswith("architecture"):
        text += f"; write it as {_architecture_text(value)}"
    return text


def types_of(constructor: Callable) -> dict[str, Any]:
    """Return the types of the arguments of a dataclass or function.

    They are those of the annotations, or without one that of the default.
    """
    if inspect.isclass(constructor):
        return get_type_hints(constructor)
    types = {}
    for name, parameter in inspect.signature(constructor).parameters.items():
        annotated, default = parameter.annotation, parameter.default
        # A postponed annotation is text; the default gives the type then.
        if annotated is not parameter.empty and not isinstance(annotated, str):
            types[name] = annotated
        elif default is not parameter.empty and default is not None:
            types[name] = type(default)
    return types


def _architecture_text(value: object) -> str:
    """Return a list of operations, or of blocks of them, in the paper's notation."""
    if not isinstance(value, list | tuple) or not value:
        return "[O5 O8 O8|O4 O1 O2]"
    nested = all(isinstance(block, list | tuple) for block in value)
    blocks = value if nested else [value]
    return f"[{'|'.join(' '.join(map(str, block)) for block in blocks)}]"


def read_section(settings: dict, name: str, kind: type[Section]) -> Section:
    """Return a section of the config as the dataclass that checks it.

    Raises:
        InputError: the section is missing, or a key or value cannot be used.
    """
    if name not in settings:
        raise InputError(f"the config has no section {name!r}")
    return section_of(settings[name], name, kind)
