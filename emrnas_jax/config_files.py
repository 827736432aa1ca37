"""A config by the name that the command line gives it, for programs and notebooks.

from emrnas_jax.config_files import load_config
config = load_config("configs/cardiac.py:small")
config.data.path = "FOLDER"
"""

import runpy
from pathlib import Path

from ml_collections import ConfigDict

from emrnas_jax.errors import InputError


def load_config(name: str) -> ConfigDict:
    """Return the settings of a file of `configs/`, as `--config=NAME` has them.

    Args:
        name: the file, with a variant after a colon if one is wanted.

    Raises:
        InputError: there is no such file or variant, or it is no config.
    """
    place, _, variant = name.partition(":")
    path = Path(place).expanduser()
    if not path.is_file():
        raise InputError(
            f"{place}: no such config in {Path.cwd()}; give the path of a file of "
            "configs/, which are in a clone of the repository"
        )
    defined = runpy.run_path(str(path))
    if "get_config" not in defined:
        raise InputError(f"{place}: no config, it defines no function get_config")
    return defined["get_config"](variant or None)
