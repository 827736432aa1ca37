"""Settings of the command line, `--config.search.batch=4`, checked against the config.

They are checked before `ml_collections` applies them, so that a message names each
mistake by its whole key, and the way out.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import zip_longest
from typing import Any

from absl import flags
from ml_collections import ConfigDict

from emrnas_jax.errors import InputError
from emrnas_jax.machine.setting_types import wrong_type

PARSERS = {
    bool: flags.BooleanParser(),
    int: flags.IntegerParser(),
    float: flags.FloatParser(),
}


def require_overrides(config: ConfigDict, words: Sequence[str]) -> None:
    """Check all settings of a command line.

    Args:
        config: config that the settings change.
        words: words of the command line.

    Raises:
        InputError: a setting does not exist, is a section, or gets a value of another
            type.
    """
    for word, following in zip_longest(words, words[1:]):
        # absl takes one dash or two, and --noconfig.KEY for False. Elements of lists,
        # KEY[0], are left to ml_collections.
        match = re.fullmatch(r"--?(?:no)?config\.([^=\[]+)(?:=(.*))?", word, re.DOTALL)
        if not match:
            continue
        key, value = match[1], match[2]
        setting = _setting(config, key)
        # `--config.seed 3` has its value in the next word; a Boolean needs none.
        if value is None and not isinstance(setting, bool):
            value = following
        if value is not None:
            _require_value(key, setting, value)


def _setting(config: ConfigDict, key: str) -> Any:
    """Return the value at a key.

    Raises:
        InputError: the config has no such key.
    """
    parts, found = key.split("."), config
    for i, part in enumerate(parts):
        section = ".".join(parts[:i])
        if not isinstance(found, ConfigDict):
            raise InputError(
                f"--config.{key}: {section} is a value, {found!r}, and no section"
            )
        if part not in found:
            raise InputError(f"--config.{key}: {_unknown(config, found, parts, i)}")
        found = found[part]
    return found


def _unknown(config: ConfigDict, section: ConfigDict, parts: list[str], i: int) -> str:
    """Return that part `i` of a key does not exist, and what does."""
    section_key = ".".join(parts[:i])
    if section_key == "networks":
        return (
            f"this run has no network {parts[i]!r}; it has {', '.join(section)}. The "
            "variant of --config chooses the networks, as in configs/cardiac.py:dccnn"
        )
    near = [f"--config.{key}" for key in _nearest(config, section, parts, i)]
    if near:
        there = f"the nearest {'are' if len(near) > 1 else 'is'} {', '.join(near)}"
    elif section:
        there = f"there are {', '.join(section)}"
    else:
        there = "a config of your own can put it there"
    return f"no {parts[i]!r} in {section_key or 'the config'}; {there}"


def _nearest(
    config: ConfigDict, section: ConfigDict, parts: list[str], i: int
) -> list[str]:
    """Return the keys most like a key whose part `i` does not exist in a section."""
    keys = list(_keys(config))
    spelt = get_close_matches(parts[i], list(section))
    near = [".".join([*parts[:i], name, *parts[i + 1 :]]) for name in spelt]
    near = [key for key in near if key in keys]  # the rest of the key must fit too
    if not near:  # elsewhere
        names = [key.rpartition(".")[2] for key in keys]
        # The right name in a wrong section is likelier than a misspelt one.
        same = [name for name in names if name == parts[-1]]
        spelt = same or get_close_matches(parts[-1], names)
        near = [key for key, name in zip(keys, names, strict=True) if name in spelt]
    return near[:3]  # more would hide the right one


def _keys(config: ConfigDict, prefix: str = "") -> Iterator[str]:
    """Yield every key, of sections and of values."""
    for name, value in config.items():
        yield prefix + name
        if isinstance(value, ConfigDict):
            yield from _keys(value, f"{prefix}{name}.")


def _require_value(key: str, setting: Any, value: str) -> None:
    if isinstance(setting, ConfigDict):
        if not _is_dict(value):
            raise InputError(f"--config.{key}={value}: {_section(key, setting)}")
    # Text takes any value; other types are left to ml_collections.
    elif type(setting) in PARSERS:
        try:
            PARSERS[type(setting)].parse(value)
        except ValueError as error:
            message = wrong_type(f"--config.{key}", type(setting), value)
            raise InputError(message) from error


def _section(key: str, section: ConfigDict) -> str:
    """Return that a key is a section, and how to set what is in it."""
    keys = list(_keys(section))
    values = [k for k in keys if not any(other.startswith(f"{k}.") for other in keys)]
    text = f"{key} is a section"
    if values:
        text += f"; set what is in it, as in --config.{key}.{values[0]}=VALUE"
    if key == "networks":
        text += (
            f". It has {', '.join(section)}; the variant of --config chooses the "
            "networks, as in configs/cardiac.py:dccnn"
        )
    return text


def _is_dict(value: str) -> bool:
    try:
        return isinstance(ast.literal_eval(value), dict)
    except (ValueError, SyntaxError):
        return False
