"""The networks by name, and the record from which a trained one is built again."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from emrnas_jax.data.targets import TargetKind
from emrnas_jax.errors import InputError
from emrnas_jax.kernels.precision import PRECISIONS
from emrnas_jax.machine.setting_types import require_types, types_of
from emrnas_jax.models.cddntdc import cddntdc
from emrnas_jax.models.dccnn import dccnn
from emrnas_jax.models.emrnas import emrnas
from emrnas_jax.models.half_resolution import half_resolution
from emrnas_jax.models.modl import modl
from emrnas_jax.models.rdn import rdn
from emrnas_jax.models.sense import sense
from emrnas_jax.models.total_variation import tv
from emrnas_jax.models.unet import unet
from emrnas_jax.models.varnet import varnet
from emrnas_jax.models.wide import wide
from emrnas_jax.mri.consistency import CONSISTENCY, require_suitable
from emrnas_jax.mri.measurement import Measurement
from emrnas_jax.nas.space import SHARING

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "emrnas": emrnas,
    "unet": unet,
    "dccnn": dccnn,
    "rdn": rdn,
    "cddntdc": cddntdc,
    # With the parameters of EMR-NAS: more convolutions between data consistencies.
    "dccnn_matched": partial(dccnn, layers=7),
    "rdn_matched": partial(rdn, layers=7),
    "cddntdc_matched": partial(cddntdc, layers=11),
    "half_resolution": half_resolution,
    "wide": wide,
    "modl": modl,
    "varnet": varnet,
    "tv": tv,
    "sense": sense,
}


def takes_architecture(kind: str, name: str = "") -> bool:
    """Return whether a kind of network is one of the search space.

    Raises:
        InputError: there is no such kind; the message names `name`.
    """
    # The constructor itself knows, so there is no second list to keep in step.
    return "architecture" in _parameters(kind, name)


def build_network(kind: str, settings: dict, name: str = "") -> nn.Module:
    """Return the network of that kind.

    Args:
        kind: key of `NETWORKS`.
        settings: arguments of its constructor.
        name: name of the network in messages; the kind unless given.

    Raises:
        InputError: there is no such kind, setting or kind of consistency, or a setting
            without a default is not given.
    """
    # Python's own TypeError would name neither the network nor the config's key.
    check_settings(kind, settings, name)
    for key, parameter in _parameters(kind).items():
        if parameter.default is parameter.empty and key not in settings:
            raise InputError(f"network {name or kind} needs the setting {key!r}")
    return NETWORKS[kind](**settings)


def _parameters(kind: str, name: str = "") -> Mapping[str, inspect.Parameter]:
    if kind not in NETWORKS:
        of = "" if name in ("", kind) else f"networks.{name}.kind: "
        raise InputError(f"{of}no network {kind!r}; there are {', '.join(NETWORKS)}")
    return inspect.signature(NETWORKS[kind]).parameters


def check_settings(kind: str, settings: dict, name: str = "") -> None:
    """Check settings, as far as the architecture does not matter.

    Args:
        kind: key of `NETWORKS`.
        settings: arguments of its constructor.
        name: name of the network in messages; the kind unless given.

    Raises:
        InputError: there is no such kind or setting, or it has a value of another type
            or kind of consistency.
    """
    name = name or kind
    known = _parameters(kind, name)
    for key in settings:
        if key not in known:
            raise InputError(
                f"network {name} has no setting {key!r}; it has {', '.join(known)}"
            )
    require_types(f"networks.{name}", types_of(NETWORKS[kind]), settings)
    for key, choices in (
        ("consistency", CONSISTENCY),
        ("shared", SHARING),
        ("precision", PRECISIONS),
    ):
        if key in settings and settings[key] not in choices:
            raise InputError(
                f"networks.{name}.{key}: found {settings[key]!r}; choose one of "
                f"{', '.join(choices)}"
            )
    counts = ("components", "cells_per_block", "layers", "recursions", "width")
    for key in (*counts, "memory", "map_width"):
        if settings.get(key, 1) < 1:
            raise InputError(
                f"networks.{name}.{key}: found {settings[key]}; at least 1 is needed"
            )


def require_kind_of_images(
    name: str,
    kind: str,
    settings: dict,
    images: str,
    coils: int,
    target_kind: TargetKind = TargetKind.COMBINED,
) -> None:
    """Check that a network suits the images it is to be trained on.

    Args:
        name: name of the network in the run, for messages.
        kind: key of `NETWORKS`.
        settings: arguments of its constructor.
        images: "magnitude" or "complex".
        coils: number of coils, 0 for images of one.
        target_kind: kind of target of several coils.

    Raises:
        InputError: the network assumes magnitude images, and these are complex, or it
            needs several coils.
    """
    if kind == "sense" and not coils:
        raise InputError(
            f"networks.{name}: SENSE needs several coils; set data.coils or "
            "data.simulated_coils, or leave it out"
        )
    consistency = settings.get("consistency", "single")
    require_suitable(consistency, images, f"networks.{name}.consistency")
    is_complex = images == "complex" and target_kind is TargetKind.COMBINED
    if is_complex and settings.get("learned_maps"):
        raise InputError(
            f"networks.{name}.learned_maps=True gives magnitude images, and the target "
            "is complex; use data.target=rss, for several coils, or learned_maps=False"
        )


def complete_settings(kind: str, settings: dict, name: str = "") -> dict:
    """Return all settings of a network: those given, and the defaults of the others.

    Raises:
        InputError: there is no such kind, setting or kind of consistency.
    """
    check_settings(kind, settings, name)
    parameters = _parameters(kind).values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    return defaults | settings


def blank_inputs(
    height: int = 16, width: int = 16
) -> tuple[Float[Array, "1 height width 2"], Measurement]:
    """Return the inputs of a network for one black frame, to draw its weights with.

    Weights do not depend on the size. That of 16 pixels is the smallest that a network
    with four poolings takes.
    """
    kspace = jnp.zeros((1, height, width), jnp.complex64)
    mask = jnp.zeros((1, height, 1), bool)
    return jnp.zeros((1, height, width, 2)), Measurement(kspace, mask)


def parameter_count(params: dict) -> int:
    """Return the number of trainable values."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
