"""Trained weights of DC-CNN, RDN and CDDNTDC as their authors' framework stores them.

They are flat dictionaries from a layer's name to an array, `module.layerList.K.LAYER`
with K = 0, 2, 4, .. for the cascades; the K between are data consistencies, without
weights. Kernels are [out, in, height, width]. Source: GitHub
`tinyRattar/CDDNwithTDC_storage`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Float

from emrnas_jax.errors import InputError
from emrnas_jax.models.networks import blank_inputs, build_network

# Of each network: our names of a cascade's layers, and theirs. {} counts layers, from 1
# in ours and from 0 in theirs.
LAYER_NAMES = {
    "dccnn": {"first": "conv1", "block/conv_{}": "layerList.{}", "last": "conv2"},
    "rdn": {
        "first": "conv1",
        "block/conv_{}": "dilateBlock.layerList.{}",
        "last": "conv2",
    },
    "cddntdc": {
        "first": "inConv",
        "block/layer_{}/norm_1": "denseConv.layerList.{}.bn",
        "block/layer_{}/conv_1": "denseConv.layerList.{}.conv",
        "block/layer_{}/norm_2": "denseConv.layerList.{}.bn2",
        "block/layer_{}/conv_2": "denseConv.layerList.{}.conv2",
        "block/norm": "transitionLayer.bn",
        "block/transition": "transitionLayer.conv",
        "block/last_norm": "outConv.bn",
        "last": "outConv.conv",
    },
}

# Their name of a layer's array, by ours.
ARRAY_NAMES = {
    "kernel": "weight",
    "bias": "bias",
    "scale": "weight",
    "mean": "running_mean",
    "var": "running_var",
}

NAMED_AT_MOST = 5  # keys that an error names; the others are counted


def load_published(
    name: str, weights: Mapping[str, np.ndarray]
) -> tuple[nn.Module, dict[str, Any]]:
    """Return a network and its variables from published weights.

    The numbers of cascades, layers and channels are those of the weights. Subnormal
    values become zero: they slow CPUs, and no output of the published networks depends
    on them.

    Args:
        name: a key of `LAYER_NAMES`.
        weights: the flat dictionary; counters of batches are ignored.

    Raises:
        InputError: there is no such network, or weights are missing, left over, of the
            wrong shape or not finite.
    """
    if name not in LAYER_NAMES:
        raise InputError(
            f"no published weights of {name!r} are known; there are those of "
            f"{', '.join(LAYER_NAMES)}"
        )
    given = {
        key.removeprefix("module."): np.asarray(array)
        for key, array in weights.items()
        if not key.endswith("num_batches_tracked")
    }
    settings = published_settings(name, given)
    module = build_network(name, settings)
    shapes = jax.eval_shape(module.init, jax.random.key(0), *blank_inputs())
    layers = _layer_names(name, settings["components"], settings["layers"])
    wanted = {}  # by their name: ours, and the shape
    leaves: dict[str, Any] = flatten_dict(dict(shapes), sep="/")
    for path, leaf in leaves.items():
        _, component, rest = path.split("/", 2)
        layer, array = rest.rsplit("/", 1)
        wanted[f"{layers[component, layer]}.{ARRAY_NAMES[array]}"] = (path, leaf.shape)
    _check(name, given, {key: _their_shape(s) for key, (_, s) in wanted.items()})
    variables = {
        path: jnp.asarray(_our_array(given[key], len(shape)))
        for key, (path, shape) in wanted.items()
    }
    return module, unflatten_dict(variables, sep="/")


def published_settings(name: str, weights: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Infer the constructor's settings from the names and shapes of the weights.

    Args:
        name: a key of `LAYER_NAMES`.
        weights: the flat dictionary.
    """
    names = LAYER_NAMES[name]
    keys = [key.removeprefix("module.") for key in weights]
    repeated = next(theirs for theirs in names.values() if "{}" in theirs)
    layer = re.escape(repeated.split("{}")[0])
    first = [a for key, a in weights.items() if key.endswith(f"{names['first']}.bias")]
    settings = {
        # Every second number is a data consistency, without weights.
        "components": _largest(keys, r"layerList\.(\d+)\.") // 2 + 1,
        "layers": _largest(keys, rf"layerList\.\d+\.{layer}(\d+)\.") + 1,
    }
    return settings | ({"width": first[0].size} if first and first[0].size else {})


def _largest(keys: Iterable[str], pattern: str) -> int:
    found = [re.match(pattern, key) for key in keys]
    return max((int(match[1]) for match in found if match), default=0)


def _layer_names(name: str, components: int, layers: int) -> dict:
    """Return their layer's name by our component and layer."""
    return {
        (f"component_{n + 1}", ours.format(j + 1)): f"layerList.{2 * n}.{theirs}"
        for n in range(components)
        for j in range(layers)
        for ours, template in LAYER_NAMES[name].items()
        for theirs in [template.format(j)]
    }


def _their_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) == 1:
        return shape
    # [.., in, out] becomes [out, in, ..]; their 1x1 convolutions have both axes.
    return (*shape[:-3:-1], *(shape[:-2] or (1, 1)))


def _our_array(array: np.ndarray, axes: int) -> Float[np.ndarray, "..."]:
    values = array.astype(np.float32)
    values = np.where(np.abs(values) < np.finfo(np.float32).tiny, 0, values)
    if axes == 2:  # a 1x1 convolution, which is a product of matrices here
        return values[:, :, 0, 0].T
    return values.transpose(2, 3, 1, 0) if axes == 4 else values


def _check(
    name: str,
    given: Mapping[str, np.ndarray],
    shapes: Mapping[str, tuple[int, ...]],
) -> None:
    both = sorted(given.keys() & shapes.keys())
    wrong = [
        f"{key} {given[key].shape}, expected {shapes[key]}"
        for key in both
        if given[key].shape != shapes[key]
    ]
    not_finite = [key for key in both if not _is_finite(given[key])]
    faults = {
        "missing": sorted(shapes.keys() - given.keys()),
        "left over": sorted(given.keys() - shapes.keys()),
        "of the wrong shape": wrong,
        "not finite numbers": not_finite,
    }
    if any(faults.values()):
        found = "; ".join(
            f"{fault}: {_listed(keys)}" for fault, keys in faults.items() if keys
        )
        raise InputError(
            f"these are not weights of a published {name}: {found}; choose the network "
            f"they are of, among {', '.join(LAYER_NAMES)}"
        )


def _is_finite(array: np.ndarray) -> bool:
    return array.dtype.kind in "fiu" and bool(np.isfinite(array).all())


def _listed(keys: list[str]) -> str:
    more = len(keys) - NAMED_AT_MOST
    return ", ".join(keys[:NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
