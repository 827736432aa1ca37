"""A config by the name that the command line gives it, for programs and notebooks.

from emrnas_jax.experiment.config_files import load_config
config = load_config("configs/cardiac.py:small")
config.data.path = "FOLDER"

The files of `configs/` come with the package. One of the user's own at the same path is
used in place of the package's.
"""

import ast
import inspect
import re
import runpy
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict

from emrnas_jax.errors import InputError
from emrnas_jax.experiment.overrides import require_overrides
from emrnas_jax.machine.setting_types import wrong_type

FOLDER = "configs"

# Message of a ConfigDict about a value of another type than its setting.
WRONG_TYPE = re.compile(
    r"Could not override field '(.*?)' \(reference\)\. (.*) is of original type "
    r"<class '(.*)'> and cannot be casted to type <class '(.*)'>"
)


class ConfigParser(flags.ArgumentParser):
    """Reads the value of the flag `--config` as `load_config` does.

    Attributes:
        packaged: the file of the package that stood in for the one that was named.
    """

    packaged: Path | None = None

    def parse(self, argument: str) -> ConfigDict:
        """Return the config, locked, before the command line changes it.

        Args:
            argument: the value of the flag.

        Raises:
            InputError: there is no such file or variant, it is no config, or a setting
                of the command line cannot be used.
        """
        config = load_config(argument)
        # Here, because ml_collections applies them next and names no way out.
        require_overrides(config, sys.argv[1:])
        path, given = config_path(argument), Path(argument.partition(":")[0])
        self.packaged = None if path == given.expanduser() else path
        return config.lock()  # a misspelt setting is refused, not added

    def flag_type(self) -> str:
        """Return the name of the type of the flag, for `--help`."""
        return "config"


def load_config(name: str) -> ConfigDict:
    """Return the settings of a config, as `--config=NAME` has them.

    Args:
        name: the file, with a variant after a colon if one is wanted.

    Raises:
        InputError: there is no such file or variant, or it is no config.
    """
    file, _, variant = name.partition(":")
    path = config_path(name)
    try:
        # Not imported: a second config of the same name would be the first one.
        defined = runpy.run_path(str(path))
        if "get_config" not in defined:
            raise InputError(f"{file}: no config, it defines no function get_config")
        config = _call(defined["get_config"], file, variant)
    except InputError:
        raise
    except Exception as error:  # a config file is a program: it may raise anything
        raise InputError(f"{file}{_line(path, error)}: {_reason(error)}") from error
    if not isinstance(config, ConfigDict):
        raise InputError(
            f"{file}: get_config returned {type(config).__name__}, expected a "
            "ConfigDict, which load_config of another file gives"
        )
    return config


def config_path(name: str) -> Path:
    """Return the file of a config: the user's own or, without one, the package's.

    Args:
        name: file of the config; a variant after a colon is left out.

    Raises:
        InputError: neither has such a file.
    """
    named = Path(name.partition(":")[0])
    # A shell leaves the ~ in --config=~/FILE as it is.
    path = named.expanduser()
    # The user's own file comes first, so a changed copy is never passed over.
    if path.is_file():
        return path
    folder = packaged_folder()
    if named.parent == Path(FOLDER) and (folder / named.name).is_file():
        return folder / named.name
    known = [f"{FOLDER}/{file.name}" for file in sorted(folder.glob("*.py"))]
    raise InputError(
        f"{named}: no such config in {Path.cwd()}; the package has {', '.join(known)}. "
        "Name one of these, or give the whole path of your own"
    )


def packaged_folder() -> Path:
    """Return the folder of the package's configs: of the wheel, else of the clone."""
    package = Path(__file__).parents[1]
    installed = package / FOLDER
    return installed if installed.is_dir() else package.parent / FOLDER


def _call(get_config: Callable[..., Any], file: str, variant: str) -> Any:
    # A config without variants may take no argument.
    if inspect.signature(get_config).parameters:
        return get_config(variant or None)
    if variant:
        raise InputError(
            f"{file}: no variant {variant!r}, because its get_config takes no argument"
        )
    return get_config()


def _line(path: Path, error: Exception) -> str:
    """Return the line of the config file at which the error arose, for a message."""
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    # The innermost frame of the file: deeper ones are those of the package.
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f", line {lines[-1]}" if lines else ""


def _reason(error: Exception) -> str:
    """Return the reason of the error of a config file, for a message."""
    text = " ".join(str(error).split())
    refused = WRONG_TYPE.match(text)
    if isinstance(error, TypeError) and refused:
        key, value, found, expected = refused.groups()
        kind = {"int": int, "float": float, "bool": bool, "str": str}
        read = value if found == "str" else _literal(value)
        return wrong_type(key, kind.get(expected, Mapping), read)
    missing = error.args[0] if error.args else None
    if isinstance(error, AttributeError) and isinstance(missing, KeyError):
        return f"the config has no {' '.join(str(missing.args[0]).split())}"
    return f"{type(error).__name__}: {text}"


def _literal(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
