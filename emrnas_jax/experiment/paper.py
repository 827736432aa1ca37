"""The settings of the paper, from which every file of `configs/` starts.

Each section is splatted into one constructor: `data` into `DataSettings`, `sampling`
into `SamplingSettings`, `folds` and `evaluation` into theirs, a network's into its
constructor, `search` and `retrain` into `SearchSettings` and `RetrainSettings`.
Section numbers are those of EMR-NAS (Huang et al., 2020).

The networks of a run are systems by name: every entry of `models.networks.NETWORKS`,
and those of `SYSTEMS`, which are one of these with other settings.
"""

# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# (a ConfigDict declares its values as anything JSON can hold)

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

from ml_collections import ConfigDict

from emrnas_jax.errors import InputError
from emrnas_jax.models.networks import NETWORKS, complete_settings, takes_architecture
from emrnas_jax.nas.space import OPERATIONS

Variants = dict[str, Callable[[ConfigDict], None]]

ABLATIONS: dict[str, dict[str, Any]] = {  # Table 3
    "ablation_a": {},
    "ablation_b": {"batch_norm": True},
    "ablation_c": {"residual": False},
    "ablation_d": {"architecture": "random"},
    "ablation_e": {"architecture": "fold"},
    "ablation_f": {"cells_per_block": 4, "shared": "block"},
    "ablation_g": {"shared": "block"},
    # The other reading of "homogeneous": one operation everywhere.
    "ablation_g_single": {"shared": "network"},
}
VARIANTS_OF_SEARCH: dict[str, dict[str, Any]] = {
    "one_path": {"search": {"paths_per_cell": 1}},
    # The paper's decay outweighs the gradients of alphas and holds p near uniform.
    "no_decay": {"search": {"alpha_weight_decay": 0.0}},
    "two_paths": {"search": {"paths_per_cell": 2}},
    "darts": {"search": {"paths_per_cell": len(OPERATIONS)}},
    "argmax": {"search": {"gate_rule": "argmax"}},
    "random_search": {"search": {"gate_rule": "uniform"}},
    **{f"random_{n}": {"architecture": "random"} for n in (1, 2)},
}
CASCADES = ("dccnn", "rdn", "cddntdc", "emrnas")
CONSISTENCIES = ("single", "two_step", "real")

SYSTEMS: dict[str, dict[str, Any]] = {
    **{
        name: {"kind": "emrnas", **own}
        for name, own in (ABLATIONS | VARIANTS_OF_SEARCH).items()
    },
    **{
        f"{kind}_{consistency}": {"kind": kind, "consistency": consistency}
        for kind in (*CASCADES, "unet")
        for consistency in CONSISTENCIES
    },
}

TABLE_2 = (
    *("unet", "dccnn", "rdn", "cddntdc", "emrnas"),
    *("dccnn_matched", "rdn_matched", "cddntdc_matched"),  # section 3.3
)

# What a network of each kind becomes where two CPU cores have minutes.
REDUCED: dict[str, dict[str, Any]] = {
    "emrnas": {"components": 3, "width": 8},
    "unet": {"width": 16},
    "dccnn": {"components": 3, "width": 16},
    "rdn": {"components": 3, "width": 16},
    "cddntdc": {"components": 3, "width": 8},
}


def settings(*networks: str) -> ConfigDict:
    """Return the settings of section 3, for 256 x 256 magnitude images.

    Args:
        networks: names of systems; EMR-NAS alone unless given.
    """
    config = ConfigDict()
    config.seed = 0
    config.reduced = False  # True labels the report as a reduced-size run
    config.data = ConfigDict()
    config.data.path = ""  # folder of the files
    config.data.images = "magnitude"
    config.data.cache = "~/.cache/emrnas_jax"
    config.data.height = 256  # section 3
    config.data.width = 256
    config.data.downsample = 1
    config.data.frames_per_subject = 0  # all
    config.data.subjects = 0  # all
    config.data.phantom = ConfigDict()
    config.sampling = ConfigDict()
    config.sampling.kind = "cartesian"
    config.sampling.rate = 0.15  # section 3
    config.sampling.center_fraction = 0.04  # fastMRI's, for its kinds alone
    config.sampling.phase_encode = "rows"  # as in the published data
    config.sampling.file = ""
    config.folds = ConfigDict()
    config.folds.count = 3  # section 3
    config.folds.validation = 2 / 11  # "a ratio around 9:2", section 3
    use(config, networks or ("emrnas",))
    config.search = ConfigDict()
    config.search.warmup_epochs = 50  # section 3
    config.search.search_epochs = 50
    config.search.batch = 8
    config.search.learning_rate = 1e-3
    config.search.weight_decay = 1e-7
    config.search.momentum = 0.9
    config.search.alpha_learning_rate = 1e-3
    config.search.alpha_weight_decay = 1e-6  # section 3; holds p near uniform
    config.search.alpha_momentum = 0.9  # not in the paper; Adam's default
    config.search.alpha_epsilon = 1e-8  # not in the paper; Adam's default
    config.search.paths_per_cell = 1  # equation 2
    config.search.gate_rule = "sample"  # argmax, equation 2's, freezes the search
    config.search.folds_in_parallel = False  # True needs a device for each fold
    config.retrain = ConfigDict()
    config.retrain.epochs = 100  # not in the paper; as many as the search has
    config.retrain.batch = 8  # section 3, like the rest
    config.retrain.learning_rate = 1e-3
    config.retrain.weight_decay = 1e-7
    config.retrain.momentum = 0.9
    config.evaluation = ConfigDict()
    config.evaluation.batch = 8
    config.evaluation.examples = 3  # frames a fold shown in the report
    config.evaluation.convention = "paper"  # or fastmri, calgary
    config.report = ConfigDict()
    config.report.zoom = ""  # found; or ROW,COLUMN,SIDE in pixels, or off
    config.loop = ConfigDict()  # changes nothing but speed
    config.loop.steps_per_dispatch = 10
    config.loop.checkpoint_seconds = 60.0
    config.loop.device_mib = 4096.0  # larger data sets stream
    return config


def use(config: ConfigDict, names: Sequence[str]) -> None:
    """Make these systems the networks of a run, with all their settings."""
    config.networks = ConfigDict({name: _system(name) for name in names})


def _system(name: str) -> dict[str, Any]:
    own = dict(SYSTEMS.get(name, {}))
    kind, search = own.pop("kind", name), own.pop("search", {})
    # What `retrain` and `search` hold changes those of the run for this network.
    sections: dict[str, dict] = {"retrain": {}}
    if takes_architecture(kind):
        own = {"architecture": "ensemble"} | own
        sections["search"] = search
    return {"kind": kind, **complete_settings(kind, own, name), **sections}


def table_2(config: ConfigDict) -> None:
    """Compare the networks of Table 2, and those of section 3.3 beside them."""
    use(config, TABLE_2)


def table_3(config: ConfigDict) -> None:
    """Compare the ablations of Table 3; A, D and E share what A's search found."""
    use(config, tuple(ABLATIONS))


def search_variants(config: ConfigDict) -> None:
    """Compare kinds of search with each other and with random architectures."""
    use(config, tuple(VARIANTS_OF_SEARCH))


def consistencies(config: ConfigDict) -> None:
    """Give every cascade each consistency, in networks of the same size.

    EMR-NAS has the published architecture, so that nothing else differs.
    """
    use(config, [f"{kind}_{c}" for kind in CASCADES for c in CONSISTENCIES])
    for own in config.networks.values():
        if own.kind == "emrnas":
            own.architecture = "cardiac"


def reduce(config: ConfigDict) -> None:
    """Reduce frames, networks and epochs so that two CPU cores need minutes.

    The learning rates are larger than the paper's because the steps are few; they were
    chosen on the loss of training, not on test frames.
    """
    config.reduced = True
    config.data.downsample = 4  # 64 x 64
    config.data.frames_per_subject = 10
    reduce_networks(config)
    for own in config.networks.values():
        if own.get("architecture") == "cardiac":  # its first components
            own.architecture = "[O5 O8 O8|O8 O8 O8|O4 O1 O2]"
    config.search.warmup_epochs = 3
    config.search.search_epochs = 3
    config.search.learning_rate = 3e-3
    config.search.alpha_learning_rate = 0.02
    config.retrain.epochs = 20
    config.retrain.learning_rate = 5e-3


def reduce_networks(config: ConfigDict) -> None:
    """Reduce every network; those of matched size stay near the size of EMR-NAS."""
    for own in config.networks.values():
        own.update(REDUCED.get(own.kind.removesuffix("_matched"), {}))


def reduce_comparison(config: ConfigDict) -> None:
    """Reduce further, so that many networks are trained within half an hour."""
    config.data.frames_per_subject = 4
    config.search.warmup_epochs = 8
    config.search.search_epochs = 8
    config.retrain.epochs = 30


def apply_variant(config: ConfigDict, name: str | None, variants: Variants) -> None:
    """Change `config` into the variant that follows the colon of `--config`.

    Beside `variants`, the name of a system makes it the run's only network; and
    NAME_small is NAME at reduced size.

    Raises:
        InputError: there is no such variant; the message has those that there are.
    """
    if not name:
        return
    if name in variants:
        variants[name](config)
    elif name in NETWORKS or name in SYSTEMS:
        use(config, [name])
    elif name.endswith("_small"):
        apply_variant(config, name.removesuffix("_small"), variants)
        reduce(config)
        if len(config.networks.keys()) > 1:
            reduce_comparison(config)
    else:
        raise InputError(f"--config: no variant {name!r}; {_known(name, variants)}")


def _known(name: str, variants: Variants) -> str:
    """Return the variants that there are, the nearest to `name` first."""
    every = [*variants, *NETWORKS, *SYSTEMS]
    near = get_close_matches(name, [*every, *(f"{own}_small" for own in every)], n=2)
    groups = {
        "": variants,
        "one network: ": NETWORKS,
        "one ablation: ": ABLATIONS,
        "one kind of search: ": VARIANTS_OF_SEARCH,
    }
    listed = [f"{title}{', '.join(own)}" for title, own in groups.items()]
    return (
        (f"did you mean {' or '.join(near)}? There are " if near else "there are ")
        + "; ".join(listed)
        + f"; one data consistency: NAME_{', NAME_'.join(CONSISTENCIES)}, where NAME "
        + f"is {', '.join((*CASCADES, 'unet'))}; each of them also with _small behind"
    )
