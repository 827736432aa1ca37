"""The settings of the paper, from which every file of `configs/` starts.

No value stands here twice: each section of the config is a dataclass beside the code
that uses it, whose defaults are those of EMR-NAS (Huang et al., 2020) and name their
section of it. A network's settings are the arguments of its constructor. Here are the
variants of a config, which choose networks of `models.catalogue` or reduce a run.
"""

# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# (a ConfigDict declares its values as anything JSON can hold)

from collections.abc import Callable, Sequence
from dataclasses import asdict
from difflib import get_close_matches
from typing import Any

from ml_collections import ConfigDict

from emrnas_jax.data.dataset import DataSettings
from emrnas_jax.data.folds import FoldSettings
from emrnas_jax.data.sampling_settings import SamplingSettings
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.evaluate import EvaluationSettings
from emrnas_jax.experiment.networks import complete_network
from emrnas_jax.models.catalogue import (
    ABLATIONS,
    CASCADES,
    CATALOGUE,
    CONSISTENCIES,
    SEARCH_VARIANTS,
    named,
)
from emrnas_jax.models.networks import NETWORKS
from emrnas_jax.mri.consistency import ASSUME_MAGNITUDE, CONSISTENCY, WEIGHTS
from emrnas_jax.reporting.settings import ReportSettings
from emrnas_jax.training.loop import LoopSettings
from emrnas_jax.training.retrain_settings import RetrainSettings
from emrnas_jax.training.search_settings import SearchSettings

Variants = dict[str, Callable[[ConfigDict], None]]

TABLE_2 = (
    *("unet", "dccnn", "rdn", "cddntdc", "emrnas"),
    *("dccnn_matched", "rdn_matched", "cddntdc_matched"),  # section 3.3
)

# Settings of each kind of network that two CPU cores train in minutes.
REDUCED: dict[str, dict[str, Any]] = {
    "emrnas": {"components": 3, "width": 8},
    "unet": {"width": 16},
    "dccnn": {"components": 3, "width": 16},
    "rdn": {"components": 3, "width": 16},
    "cddntdc": {"components": 3, "width": 8},
    "half_resolution": {"components": 5, "width": 16, "memory": 8},
    "wide": {"components": 6, "width": 16, "memory": 8},
    "modl": {"components": 5, "width": 16},
    "varnet": {"components": 4, "width": 4, "map_width": 4},
}


def settings(*names: str) -> ConfigDict:
    """Return the settings of section 3, for 256 x 256 magnitude images.

    Args:
        names: names of networks in `models.catalogue` or `models.networks`;
            EMR-NAS alone unless given.
    """
    config = ConfigDict(
        {
            "seed": 0,
            "reduced": False,  # True marks the report as that of a reduced-size run
            "data": asdict(DataSettings(path="")),
            "sampling": asdict(SamplingSettings()),
            "folds": asdict(FoldSettings()),
            "search": asdict(SearchSettings()),
            "retrain": asdict(RetrainSettings()),
            "evaluation": asdict(EvaluationSettings()),
            "report": asdict(ReportSettings()),
            "loop": asdict(LoopSettings()),
        }
    )
    use(config, names or ("emrnas",))
    return config


def use(config: ConfigDict, names: Sequence[str]) -> None:
    """Make these the networks of a run, with all their settings.

    Every setting is written out because the command line changes only what it finds.
    """
    config.networks = ConfigDict({name: _network(name) for name in names})


def _network(name: str) -> dict[str, Any]:
    entry = named(name)
    own = {"kind": entry.kind, **entry.settings}
    if entry.search:
        own["search"] = dict(entry.search)
    return complete_network(name, own)


def table_2(config: ConfigDict) -> None:
    """Compare the networks of Table 2, and those of section 3.3 beside them."""
    use(config, TABLE_2)


def table_3(config: ConfigDict) -> None:
    """Compare the ablations of Table 3; A, D and E share what A's search found."""
    use(config, tuple(ABLATIONS))


def search_variants(config: ConfigDict) -> None:
    """Compare kinds of search with each other and with random architectures."""
    use(config, tuple(SEARCH_VARIANTS))


def consistencies(config: ConfigDict) -> None:
    """Give every cascade each consistency without weights, so all are of one size.

    EMR-NAS has the published architecture, so that nothing else differs.
    """
    fixed = [c for c in CONSISTENCY if c not in WEIGHTS]
    use(config, [f"{kind}_{c}" for kind in CASCADES for c in fixed])
    for own in config.networks.values():
        if own.kind == "emrnas":
            own.architecture = "cardiac"


def use_recipe(config: ConfigDict) -> None:
    """Train with what was found to pay in a short training (docs/results.md)."""
    config.retrain.update(
        learning_rate=3e-3,
        warmup=0.05,
        optimizer="muon",
        beta2=0.99,
        clip_norm=1.0,
        loss="log_mse",
        deep_supervision=1.0,
        average=0.999,
        strip=64,
        flips=True,
    )


def take_coils(config: ConfigDict) -> None:
    """Train on several coils, measured as fastMRI's brains are.

    Call it last: a variant brings networks with the consistency of magnitude images.
    """
    config.data.images = "complex"
    config.sampling.update(
        kind="equispaced", rate=0.25, center_fraction=0.08, phase_encode="columns"
    )
    for name, own in config.networks.items():
        # A network that is named for its consistency keeps it, and is refused.
        if own.get("consistency") in ASSUME_MAGNITUDE and name not in CONSISTENCIES:
            own.consistency = "gradient"


def fastmri(path: str, masks: str, variant: str | None) -> ConfigDict:
    """Return the settings for fastMRI's multi-coil files, four- and eightfold.

    Args:
        path: folder of the files.
        masks: key of `mri.sampling.KINDS` for the masks of the challenge.
        variant: variant of the config.
    """
    config = settings()
    config.data.path = path
    # K-space as it was measured, and the challenge's target.
    config.data.update(height=0, width=0, coils=8, target="rss")
    config.loop.steps_per_dispatch = 1  # eight frames of 640 x 372 are 244 MB
    config.evaluation.update(convention="fastmri", crop=320)  # of the challenge
    apply_variant(config, variant, {"small": reduce})
    take_coils(config)
    # Of the challenge: both accelerations, each with its centre.
    config.sampling.kind = masks
    config.sampling.other_rates = "0.125"
    config.sampling.other_center_fractions = "0.04"
    return config


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
    config.retrain.minutes = min(config.retrain.minutes, 1.0)
    config.retrain.strip //= config.data.downsample
    config.search.strip //= config.data.downsample
    config.evaluation.crop //= config.data.downsample
    if config.retrain.optimizer == "adam":  # a recipe keeps its own rate
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
    if config.search.method == "short_trainings":  # each candidate needs some steps
        config.search.update(warmup_epochs=0, search_epochs=64, candidates=16)
    config.retrain.epochs = 30


def apply_variant(config: ConfigDict, name: str | None, variants: Variants) -> None:
    """Change `config` into the variant that follows the colon of `--config`.

    Beside `variants`, the name of a network makes it the run's only network; and
    NAME_small is NAME at reduced size.

    Raises:
        InputError: there is no such variant; the message has those that there are.
    """
    if not name:
        return
    # A variant of the config may have the name of a network and comes first.
    if name in variants:
        variants[name](config)
    elif name in NETWORKS or name in CATALOGUE:
        use(config, [name])
    elif name.endswith("_small"):
        apply_variant(config, name.removesuffix("_small"), variants)
        # After the variant: the networks to reduce are known only then.
        reduce(config)
        # Many networks share the half hour that one would have.
        if len(config.networks.keys()) > 1:
            reduce_comparison(config)
    else:
        raise InputError(f"--config: no variant {name!r}; {_known(name, variants)}")


def _known(name: str, variants: Variants) -> str:
    """Return the variants that there are, the nearest to `name` first."""
    every = [*variants, *NETWORKS, *CATALOGUE]
    near = get_close_matches(name, [*every, *(f"{own}_small" for own in every)], n=2)
    groups = {
        "": variants,
        "one network: ": NETWORKS,
        "one ablation: ": ABLATIONS,
        "one kind of search: ": SEARCH_VARIANTS,
    }
    listed = [f"{title}{', '.join(own)}" for title, own in groups.items()]
    return (
        (f"did you mean {' or '.join(near)}? There are " if near else "there are ")
        + "; ".join(listed)
        + f"; one data consistency: NAME_{', NAME_'.join(CONSISTENCY)}, where NAME "
        + f"is {', '.join((*CASCADES, 'unet', 'half_resolution'))}; each of them also "
        + "with _small behind"
    )
