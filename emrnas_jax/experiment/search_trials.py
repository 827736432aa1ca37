"""Variants of a config that try whether a search of the wide space pays.

Three questions in turn, each worth asking only if the one before was answered with yes:
do architectures differ more than trainings of one (`gate_variance`)? Do the search's
losses order them as whole trainings do (`gate_ranking`)? Is a search in rounds better
than the best of as many random candidates (`gate_random`)? A fourth one is of
the paper's space, whose networks differ in time and hardly in quality: is a faster
network as good (`gate_paper`)? All run at reduced size; `scripts/search_gates.py` reads
their runs.
"""

# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# (a ConfigDict declares its values as anything JSON can hold)

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from emrnas_jax.experiment import paper
from emrnas_jax.experiment.networks import complete_network
from emrnas_jax.nas.gates import draw_choices
from emrnas_jax.nas.space import Architecture, absent_in
from emrnas_jax.nas.wide_space import WIDE
from emrnas_jax.randomness import key_for

COMPONENTS = 8
SHARES = (20, 40, 60, 80)  # of the slowest time, at which searches are compared
ROUNDS = {"rounds": 3}
RANKED = 32  # architectures whose order is compared
VARIED = 8  # architectures that are trained from several seeds
FASTER = 65  # percent of the slowest time; the fastest takes about 62
WIDER = {"kind": "wide", "components": COMPONENTS, "width": 16, "memory": 8}


def gate_variance(config: ConfigDict) -> None:
    """Train eight random architectures; run it with several seeds."""
    undecided, absent = jnp.zeros((COMPONENTS, len(WIDE))), absent_in(WIDE)
    texts = {}
    for number in range(1, VARIED + 1):
        # Not from the run's seed: all runs train the same architectures.
        key = jax.random.fold_in(key_for(0, "trial"), number)
        drawn = draw_choices(key, undecided, absent).tolist()
        texts[f"wide_{number}"] = str(Architecture.from_cells(drawn, 1, WIDE))
    _try(config, texts)


def gate_ranking(config: ConfigDict) -> None:
    """Train 32 of the candidates that the search has judged."""
    numbers = range(1, RANKED + 1)
    _try(config, {f"wide_{n}": f"candidate_{n}_of_{RANKED}" for n in numbers})


def gate_random(config: ConfigDict) -> None:
    """Train the best for some times of a search in rounds, and of random candidates.

    Both train as many candidates for as many steps. Run it by seed.
    """
    _try(
        config,
        {
            f"{which}_{share}": f"{which}_within_{share}_percent"
            for share in SHARES
            for which in ("judged", "front")
        },
    )
    for name, own in config.networks.items():
        if name.startswith("front"):
            own.search = ROUNDS


def gate_paper(config: ConfigDict) -> None:
    """Train the paper's best candidate, and the best of the front in less time.

    Frames have half the size of the scans, where what calling a cell takes does not
    matter; trained on strips, a step costs as much as in the other trials.
    """
    architectures = {
        "judged": "judged_within_100_percent",
        "front": f"front_within_{FASTER}_percent",
    }
    _try(config, architectures, {"kind": "emrnas"})
    config.data.downsample = 2
    config.search.strip = config.retrain.strip = 32
    config.search.update(search_epochs=10, candidates=16)  # cells of Table 1 are slow


def _try(
    config: ConfigDict,
    architectures: Mapping[str, str],
    own: Mapping[str, object] = WIDER,
) -> None:
    """Make a run of these architectures at reduced size, trained with the recipe."""
    config.networks = ConfigDict(
        {
            name: complete_network(name, {**own, "architecture": text})
            for name, text in architectures.items()
        }
    )
    paper.use_recipe(config)
    paper.reduce(config)
    for network in config.networks.values():
        network.update(own)  # more components than in other runs of reduced size
    config.data.frames_per_subject = 30
    config.folds.test = ",".join(f"p{number}" for number in range(25, 31))
    config.search.update(
        method="short_trainings",
        loss="log_mse",
        warmup_epochs=0,
        search_epochs=20,
        learning_rate=3e-3,
        optimizer="muon",
        clip_norm=1.0,
        flips=True,
    )
    config.retrain.update(steps=500, strip=0, average=0.99)
