"""A model folder: one trained network in files that other programs read as well.

`config.json` holds the network with the masks and images that it was trained for,
`model.safetensors` its arrays by their path in the tree of variables, joined by dots,
and `README.md` is the model card. This is the layout of a repository on a model hub.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import PyTree
from msgspec import Struct, structs
from safetensors import SafetensorError
from safetensors.numpy import load, save

from emrnas_jax.errors import InputError
from emrnas_jax.machine.files import write_bytes, write_text
from emrnas_jax.machine.json_files import read_json, write_json
from emrnas_jax.models.networks import blank_inputs
from emrnas_jax.models.record import NetworkRecord

FORMAT = "emrnas_jax model, version 1"
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
WAY_OUT = "give a folder that emrnas_jax.export has written, whole"
# In which weights are stored; they are used in float32.
STORED_AS = ("float32", "float16")
NAMED_AT_MOST = 3  # arrays that an error names; the others are counted


class ModelConfig(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The content of `config.json`.

    Attributes:
        format: name and version of the layout.
        summary: one line about the model, for lists.
        network: record of the network.
        sha256: checksum of `model.safetensors`.
        subjects: names of the subjects that it was trained on.
        training: the config section `retrain` of its training.
        steps: number of steps of the training.
    """

    format: str
    summary: str = ""
    network: NetworkRecord
    sha256: str
    subjects: tuple[str, ...] = ()
    training: dict[str, Any] = {}
    steps: int = 0


class Model(NamedTuple):
    """A model as it was read.

    Attributes:
        config: content of its `config.json`.
        network: the network.
        variables: weights, and statistics of batch norm.
    """

    config: ModelConfig
    network: nn.Module
    variables: dict[str, PyTree]


def is_model_folder(folder: Path) -> bool:
    """Return whether a folder claims to be a model in this layout."""
    return (folder / WEIGHTS).is_file()


def write_model(
    folder: Path,
    config: ModelConfig,
    variables: Mapping[str, PyTree],
    card: str,
    stored_as: str = "float32",
) -> None:
    """Write a model folder; its config, which makes it one, last.

    Args:
        folder: new or empty folder.
        config: its content; the checksum is computed here.
        variables: weights, and statistics of batch norm.
        card: content of the model card, Markdown.
        stored_as: a name in `STORED_AS`; float16 rounds weights to 11 binary digits.

    Raises:
        InputError: the folder is not empty, or a weight is too large for float16.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise InputError(
            f"{folder} is there already and is not overwritten; give another --output"
        )
    # NumPy would warn of what is too large, which is told below.
    with np.errstate(over="ignore"):
        arrays = {
            key: np.asarray(leaf).astype(stored_as)
            for key, leaf in _flat(variables).items()
        }
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise InputError(
            f"{folder}: a weight is not finite as {stored_as}; export it as float32, "
            "and if it fails too, train the network again"
        )
    content = save(arrays, metadata={"format": FORMAT})
    folder.mkdir(parents=True, exist_ok=True)
    # A folder that was stopped half-way has no config, and is refused when it is read.
    write_bytes(folder / WEIGHTS, content)
    write_text(folder / CARD, card)
    checksum = hashlib.sha256(content).hexdigest()
    write_json(folder / CONFIG, structs.replace(config, sha256=checksum))


def read_model(folder: Path, precision: str | None = None) -> Model:
    """Read a model folder.

    Args:
        folder: the folder.
        precision: name in `kernels.precision.PRECISIONS`, in place of that of the
            config.

    Raises:
        InputError: a file is missing, damaged or of another model.
    """
    config = read_config(folder)
    path = folder / WEIGHTS
    if not path.is_file():
        raise InputError(f"{path} is missing; {WAY_OUT}")
    content = path.read_bytes()
    # Before the content is parsed: weights of another model would fit just as well.
    checksum = hashlib.sha256(content).hexdigest()
    if checksum != config.sha256:
        raise InputError(
            f"{path}: its checksum {checksum[:12]} is not {config.sha256[:12]}, that "
            f"of {CONFIG}: the file is damaged or of another model; {WAY_OUT}"
        )
    try:
        arrays = load(content)
    except SafetensorError as error:
        raise InputError(f"{path}: not safetensors ({error}); {WAY_OUT}") from error
    record = config.network
    network = (record if precision is None else record.in_precision(precision)).build()
    _require_arrays(path, network, arrays)
    # Computed with in float32, in whatever they were stored.
    used = {key: jnp.asarray(own, jnp.float32) for key, own in arrays.items()}
    variables = unflatten_dict(used, sep=".")
    return Model(config, network, variables)


def read_config(folder: Path) -> ModelConfig:
    """Read the config of a model folder.

    Raises:
        InputError: it is missing, damaged or of another format.
    """
    path = folder / CONFIG
    config = read_json(path, ModelConfig, WAY_OUT)
    if config.format != FORMAT:
        raise InputError(
            f"{path}: found format {config.format!r}, this version reads {FORMAT!r}"
        )
    # Now, so that a setting that no version knows is not found after the weights.
    try:
        config.network.build()
    except (InputError, TypeError) as error:
        raise InputError(f"{path}: damaged ({error}); {WAY_OUT}") from error
    return config


def _flat(variables: Mapping[str, PyTree]) -> dict[str, Any]:
    # A network without batch norm has an empty collection, which has no array.
    kept = {kind: tree for kind, tree in variables.items() if tree}
    return flatten_dict(kept, sep=".")


def _require_arrays(
    path: Path, network: nn.Module, arrays: Mapping[str, np.ndarray]
) -> None:
    """Check that the arrays of a file are those of a network.

    Raises:
        InputError: arrays are missing, left over, of another shape or not finite.
    """
    # Shapes alone are traced, so that a large network is not drawn to be thrown away.
    drawn: Any = jax.eval_shape(network.init, jax.random.key(0), *blank_inputs())
    expected = {key: leaf.shape for key, leaf in _flat(drawn).items()}
    found = {key: array.shape for key, array in arrays.items()}
    wrong = {
        "missing": sorted(expected.keys() - found.keys()),
        "not of this network": sorted(found.keys() - expected.keys()),
        "of another shape": sorted(
            key for key in found.keys() & expected.keys() if found[key] != expected[key]
        ),
        "not finite": sorted(k for k, v in arrays.items() if not np.isfinite(v).all()),
    }
    faults = [f"{_some(keys)} {what}" for what, keys in wrong.items() if keys]
    if faults:
        raise InputError(f"{path}: {'; '.join(faults)}; {WAY_OUT}")


def _some(keys: list[str]) -> str:
    more = len(keys) - NAMED_AT_MOST
    named = ", ".join(keys[:NAMED_AT_MOST])
    return f"{named} and {more} more" if more > 0 else named
