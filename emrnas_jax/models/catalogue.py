"""Networks by name: those of the paper's tables and figures, and the controls of them.

A run calls its networks by name. Most names here are a kind of network, a key of
`models.networks.NETWORKS`, with some settings changed. An entry also says how people
see the network: its title, the group in which it is compared and the network that it is
compared with. Neither is a setting, and none of them identifies a run: a title may
change without making a run another one.

Sections, tables and figures are those of EMR-NAS (Huang et al., 2020).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from emrnas_jax.nas.space import OPERATIONS

ABLATION = "ablations"
SEARCH_VARIANT = "search variants"
CONSISTENCY = "consistencies"

NOTHING: Mapping[str, Any] = MappingProxyType({})


class NamedNetwork(NamedTuple):
    """One network that a run may call by name.

    Attributes:
        kind: key of `models.networks.NETWORKS`.
        title: name in words, such as "DC-CNN, real".
        settings: arguments of the kind's constructor that differ from its defaults, and
            where the architecture comes from.
        search: settings of the search that differ from the run's.
        group: networks that one question compares, such as "ablations"; "" without.
        reference: name of the network that this one is compared with; "" where none is
            meant, as for the reference itself.
    """

    kind: str
    title: str
    settings: Mapping[str, Any] = NOTHING
    search: Mapping[str, Any] = NOTHING
    group: str = ""
    reference: str = ""


# The kinds with their defaults; as in Table 2, the paper's own network comes last.
KINDS = {
    "sense": NamedNetwork("sense", "SENSE"),
    "tv": NamedNetwork("tv", "Total variation"),
    "unet": NamedNetwork("unet", "U-Net"),
    "dccnn": NamedNetwork("dccnn", "DC-CNN"),
    "rdn": NamedNetwork("rdn", "RDN"),
    "cddntdc": NamedNetwork("cddntdc", "CDDNTDC"),
    "half_resolution": NamedNetwork("half_resolution", "Half-resolution cascade"),
    "modl": NamedNetwork("modl", "MoDL"),
    "varnet": NamedNetwork("varnet", "Variational network"),
    "wide": NamedNetwork(
        "wide", "Wide space", search={"method": "short_trainings", "rounds": 3}
    ),
    "emrnas": NamedNetwork("emrnas", "EMR-NAS"),
}

# Section 3.3: with as many parameters as EMR-NAS, so that size explains no difference.
MATCHED = {
    f"{kind}_matched": NamedNetwork(
        f"{kind}_matched",
        f"{KINDS[kind].title}, size-matched",
        reference="emrnas",
    )
    for kind in ("dccnn", "rdn", "cddntdc")
}

# Table 3, whose models have letters for names. A is the paper's network.
ABLATIONS = {
    f"ablation_{suffix}": NamedNetwork(
        "emrnas",
        title,
        settings,
        group=ABLATION,
        reference="" if suffix == "a" else "ablation_a",
    )
    for suffix, title, settings in (
        ("a", "A", {}),
        ("b", "B", {"batch_norm": True}),
        ("c", "C", {"residual": False}),
        ("d", "D", {"architecture": "random"}),
        ("e", "E", {"architecture": "fold"}),
        ("f", "F", {"cells_per_block": 4, "shared": "block"}),
        ("g", "G", {"shared": "block"}),
        # The other reading of "homogeneous": one operation everywhere.
        ("g_single", "G, one operation", {"shared": "network"}),
    )
}

# Not in the paper: what a search has to beat, and what its parts contribute.
SEARCH_VARIANTS = {
    name: NamedNetwork(
        "emrnas",
        title,
        search=search,
        group=SEARCH_VARIANT,
        reference="" if name == "one_path" else "one_path",
    )
    for name, title, search in (
        ("one_path", "One path", {"paths_per_cell": 1}),
        # The paper's decay outweighs the gradients of alphas and holds p near uniform.
        ("no_decay", "One path, no decay", {"alpha_weight_decay": 0.0}),
        ("two_paths", "Two paths", {"paths_per_cell": 2}),
        ("darts", "DARTS", {"paths_per_cell": len(OPERATIONS)}),
        ("argmax", "Argmax", {"gate_rule": "argmax"}),
        (
            "reinforce",
            "REINFORCE",
            {"method": "reinforce", "alpha_learning_rate": 0.02},
        ),
        ("random_search", "Random search", {"method": "random"}),
    )
} | {
    # Two draws, because one may be lucky: the name is part of the draw.
    f"random_{number}": NamedNetwork(
        "emrnas",
        f"Random {number}",
        {"architecture": "random"},
        group=SEARCH_VARIANT,
        reference="one_path",
    )
    for number in (1, 2)
}

# These have a data consistency in every component; U-Net has one at its end.
CASCADES = ("dccnn", "rdn", "cddntdc", "emrnas")
CONSISTENCY_TITLES = {
    "single": "single",
    "two_step": "two-step",
    "real": "real",
    "gradient": "gradient",
    "cg": "conjugate gradients",
}

CONSISTENCIES = {
    f"{kind}_{consistency}": NamedNetwork(
        kind,
        f"{KINDS[kind].title}, {title}",
        {"consistency": consistency},
        group=CONSISTENCY,
        # The single one assumes nothing about the image, so it shows what the others
        # gain by what they assume.
        reference="" if consistency == "single" else f"{kind}_single",
    )
    for kind in (*CASCADES, "unet", "half_resolution")
    for consistency, title in CONSISTENCY_TITLES.items()
}

# Every network that a run may have. The images that networks start from are scored like
# one, but nothing makes them.
ZERO_FILLED = "zero_filled"
CATALOGUE = KINDS | MATCHED | ABLATIONS | SEARCH_VARIANTS | CONSISTENCIES


def named(name: str) -> NamedNetwork:
    """Return the entry of a name; any other name is its own kind and its own title."""
    if name == ZERO_FILLED:
        return NamedNetwork("", "Zero-filled")
    return CATALOGUE.get(name, NamedNetwork(name, name))
