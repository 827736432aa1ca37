"""The weights of a trained model as the start of another training.

The network may have more components than the model. Those that follow begin as copies
of the model's last one, with zeros in the convolution that makes the change of the
image: the grown network starts with the model's own images, and trains on from there
(Net2Net: Chen et al., ICLR 2016).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from emrnas_jax.errors import InputError
from emrnas_jax.models.included import included_models, model_at
from emrnas_jax.models.model_folder import is_model_folder, read_config, read_model
from emrnas_jax.models.networks import complete_settings
from emrnas_jax.runs.network_files import Start
from emrnas_jax.training.retrain_steps import Averaged, TrainState

FREE = ("precision",)  # settings of a network that change none of its weights
KEY = "retrain.start"
COMPONENTS = "components"  # setting of the networks that consist of them
LAST = "last"  # the convolution of a component that makes the change of the image


def require_start(start: str, kind: str, settings: Mapping[str, Any]) -> Path:
    """Check that a training can start from a model, and return the model's folder.

    Masks, images and their size may be others than the model's: adapting it to those is
    what a start is for. There may be more components, too.

    Args:
        start: name of a model that comes with the package, or a model folder.
        kind: kind of the network that is to be trained.
        settings: arguments of its constructor.

    Raises:
        InputError: there is no such model, it is another network, or one whose
            components cannot be continued.
    """
    folder = model_at(start)
    if not is_model_folder(folder):
        raise InputError(
            f"{KEY}: found no model folder at {start!r}; give one that "
            "emrnas_jax.export has written, or one of "
            f"{', '.join(included_models())}"
        )
    record = read_config(folder).network
    if record.kind != kind:
        raise InputError(
            f"{KEY}: {start} is of the kind {record.kind}, and the network to train "
            f"is {kind}; train {record.kind} alone, or leave {KEY} empty"
        )
    # A model of an older version lacks settings that came later.
    own, wanted = (
        complete_settings(kind, dict(s)) for s in (record.settings, settings)
    )
    grows = wanted.get(COMPONENTS, 0) > own.get(COMPONENTS, 0)
    free = (*FREE, COMPONENTS) if grows else FREE
    differ = [
        f"{key} {own[key]!r} and not {wanted[key]!r}"
        for key in sorted(own)
        if key not in free and own[key] != wanted[key]
    ]
    if differ:
        raise InputError(
            f"{KEY}: {start} has {', '.join(differ)}; give the network the model's "
            "settings"
        )
    # The first component of some networks has other inputs than those that follow.
    if grows and (own[COMPONENTS] < 2 or not _has_last(folder, own[COMPONENTS])):
        raise InputError(
            f"{KEY}: {start} has {own[COMPONENTS]} components and not "
            f"{wanted[COMPONENTS]}, and they cannot be continued; give the network as "
            "many, or start from one of at least two components that end in a "
            "convolution each"
        )
    return folder


def _has_last(folder: Path, components: int) -> bool:
    weights = read_model(folder).variables["params"]
    return LAST in weights.get(f"component_{components}", {})


def start_of(folder: Path) -> Start:
    """Return what a training that starts from a model keeps of it."""
    config = read_config(folder)
    return Start(config.sha256, config.subjects)


def start_from(folder: Path, state: TrainState) -> TrainState:
    """Return the state at step 0 with the weights and statistics of a model.

    Args:
        folder: folder of a model, as `require_start` returns it.
        state: fresh state of a network with the model's settings, or more components.

    Raises:
        InputError: the model cannot be read.
    """
    variables = read_model(folder).variables
    weights = _grown(variables["params"], state.weights)
    statistics = _grown(variables.get("batch_stats", {}), state.statistics)
    optimizer = state.optimizer
    if isinstance(optimizer, Averaged):
        # A copy: a program may not be given the same memory twice.
        optimizer = optimizer._replace(average=jax.tree.map(jnp.copy, weights))
    return state._replace(weights=weights, statistics=statistics, optimizer=optimizer)


def _grown(own: dict[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tree of a model with the components that a larger network adds."""
    grown = dict(own)
    while added := wanted.keys() - grown.keys():
        number = min(int(name.removeprefix("component_")) for name in added)
        component = jax.tree.map(jnp.copy, grown[f"component_{number - 1}"])
        if LAST in component:
            component[LAST] = jax.tree.map(jnp.zeros_like, component[LAST])
        grown[f"component_{number}"] = component
    return grown
