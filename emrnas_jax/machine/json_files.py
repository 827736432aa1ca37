"""JSON files that are written whole or not at all, and checked as they are read.

A `msgspec.Struct` is the schema of a file: its fields are the keys, with their types
and ranges. Keys that the schema does not have are ignored, so a file of a newer version
can be read.
"""

import copy
import json
import re
from pathlib import Path
from types import GenericAlias
from typing import Any, TypeVar

import msgspec

from emrnas_jax.errors import InputError
from emrnas_jax.machine.files import write_text

Value = TypeVar("Value")
Keys = tuple[str | int, ...]  # keys and numbers that lead to a value


def read_json(path: Path, kind: type[Value] | GenericAlias, way_out: str) -> Value:
    """Read a file and check it.

    Args:
        path: the file.
        kind: its schema: a Struct, a tuple of what it holds, or `dict` for any object.
        way_out: advice to the user where the file cannot be used.

    Raises:
        InputError: the file is missing or damaged. The message names the line that is
            not JSON, or the value that the schema refuses and the keys that lead to it.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing; {way_out}") from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}: damaged (line {error.lineno}: not JSON, {error.msg}); {way_out}"
        ) from error
    except (OSError, ValueError) as error:  # UnicodeDecodeError is a ValueError
        raise InputError(f"{path}: damaged ({error}); {way_out}") from error
    return checked(record, kind, path, way_out)


def checked(
    record: Any, kind: type[Value] | GenericAlias, where: Path | str, way_out: str
) -> Value:
    """Return what JSON holds as the value of a schema.

    Args:
        record: value as JSON holds it.
        kind: the schema.
        where: the file, or its line, for the message.
        way_out: advice to the user, for the message.

    Raises:
        InputError: a value is missing, or of the wrong type, or out of range.
    """
    try:
        return msgspec.convert(record, kind)
    except msgspec.ValidationError as error:
        reason = _reason(error, record, kind)
        raise InputError(f"{where}: damaged ({reason}); {way_out}") from error


def write_json(path: Path, value: Any) -> None:
    """Write a value, which may hold Structs, as JSON, whole or not at all."""
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """Return a value as JSON, indented, as all files of a run have it."""
    # Not msgspec's own encoder: it writes null for NaN, and a reader could not tell it
    # from a value that is not there.
    return json.dumps(value, indent=1, default=msgspec.to_builtins) + "\n"


def _reason(error: msgspec.ValidationError, record: Any, kind: Any) -> str:
    """Return why a record is refused: its keys, the value found, the expectation."""
    text, _, path = str(error).partition(" - at `$")
    keys = _keys(str(error), path, record, kind)
    found = _value(record, keys)
    text, named = f"{text[0].lower()}{text[1:]}", ".".join(map(str, keys))
    if not isinstance(found, dict | list):  # they would fill the terminal
        named += f" is {found!r}" if named else f"found {found!r}"
    return f"{named}: {text}" if named else text


def _keys(message: str, path: str, record: Any, kind: Any) -> Keys:
    """Return the keys that lead to the value that a message is about.

    msgspec writes `[...]` for a key of a dictionary, whichever it is. The key is then
    the first with which alone the record is refused with the same words.
    """
    keys: Keys = ()
    for name, index in re.findall(r"\.(\w+)|\[(\d+|\.\.\.)\]", path):
        if index == "...":
            entries = _value(record, keys)
            alone = (k for k in entries if _refusal(record, keys, k, kind) == message)
            key = next(alone, None)
            if key is None:
                break  # a message that depends on several keys: name what is known
            keys = (*keys, key)
        else:
            keys = (*keys, name or int(index))
    return keys


def _refusal(record: Any, keys: Keys, key: str, kind: Any) -> str:
    """Return why a record is refused in which one dictionary has one key alone."""
    reduced = copy.deepcopy(record)
    entries = _value(reduced, keys)
    only = entries[key]
    entries.clear()
    entries[key] = only
    try:
        msgspec.convert(reduced, kind)
    except msgspec.ValidationError as error:
        return str(error)
    return ""


def _value(record: Any, keys: Keys) -> Any:
    for key in keys:
        record = record[key]
    return record
