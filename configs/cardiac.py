"""The paper's Cardiac experiment: York short-axis frames, 15 % of the lines.

    python -m emrnas_jax.main --config=configs/cardiac.py --workdir=runs/cardiac \
        --config.data.path=FOLDER

FOLDER holds `sol_yxzt_patN.mat`, their PNG export or one HDF5 file per subject. The
paper reports 34.87 dB and SSIM 0.934 after about half a day per fold on one GPU.

Variants, after a colon; NAME_small is NAME at a quarter of the size, with small
networks and few epochs:
    small            the paper's run at reduced size
    table2           the networks of Table 2, and the size-matched ones of section 3.3
    table3           the ablations of Table 3
    search_variants  kinds of search, and random architectures
    consistency      every cascade with each data consistency
    included         the training of cardiac15, which comes with the package
    same_minutes     the networks of the field and the half-resolution cascade, each
                     trained for half an hour with one recipe
    half_hour        the half-resolution cascade alone, trained in the same way
    recipe           the recipe's parts: a short cascade trained without each of them
    front            a search of the wide space for the best network for every time
    gate_variance, gate_ranking, gate_random, gate_paper
                     trials of that search at reduced size
    NAME             one network: unet, dccnn, rdn, cddntdc, dccnn_matched, ..., tv,
                     ablation_a to ablation_g, emrnas_real, dccnn_real, ...

Measured: the half-resolution cascade of `same_minutes` reaches 35.40 dB after 20
minutes on two CPU cores, and DC-CNN 34.01 dB; `small` ends at 28.34 dB, SSIM 0.865
(zero-filled 21.99 dB, 0.616), in minutes on two CPU cores (docs/results.md).
The paper's own size has not been run here; a search step costs 1.1 times the fixed
network's training step (docs/results.md).
"""

# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# (a ConfigDict declares its values as anything JSON can hold)

from ml_collections import ConfigDict

from emrnas_jax.experiment import paper, search_trials
from emrnas_jax.experiment.networks import complete_network


def get_config(variant: str | None = None) -> ConfigDict:
    """Return the settings of a variant, of the paper's own run without one."""
    config = paper.settings()
    config.data.path = "data/cardiac"
    paper.apply_variant(config, variant, VARIANTS)
    return config


def same_minutes(config: ConfigDict) -> None:
    """Give every network the same recipe and the same half hour.

    Trained on subjects 1 to 24, tested on 25 to 30. EMR-NAS has the published
    architecture, so that nothing is searched.
    """
    paper.use(config, SAME_MINUTES)
    config.networks.emrnas.architecture = "cardiac"
    config.folds.test = ",".join(f"p{number}" for number in range(25, 31))
    paper.use_recipe(config)
    config.retrain.minutes = 30.0


def half_hour(config: ConfigDict) -> None:
    """Train the half-resolution cascade alone as `same_minutes` does."""
    same_minutes(config)
    paper.use(config, ["half_resolution"])


def included(config: ConfigDict) -> None:
    """Train the half-resolution cascade on every subject; nothing is tested."""
    paper.use(config, ["half_resolution"])
    paper.use_recipe(config)
    config.folds.test = "none"
    config.retrain.steps = 14_000


def front(config: ConfigDict) -> None:
    """Search the wide space for the best network within every time.

    The half-resolution cascade is trained beside what is found, in the same way.
    """
    half_hour(config)
    paper.use(config, ["half_resolution", "wide"])
    config.networks.wide.search = ConfigDict()  # the run's own, which follow
    # All epochs are alike for this method, which has no alphas to move.
    config.search.update(warmup_epochs=0, search_epochs=30, learning_rate=3e-3)
    config.search.update(method="short_trainings", rounds=3, loss="log_mse")
    config.search.update(strip=64, flips=True, optimizer="muon", clip_norm=1.0)


def recipe(config: ConfigDict) -> None:
    """Train a cascade of four components with the recipe, and without each part of it.

    All make 500 steps, which two CPU cores need a minute and a half for.
    """
    half_hour(config)
    config.reduced = True
    # A training of an eighth of the steps has an average over an eighth as many.
    config.retrain.update(minutes=0.0, steps=500, average=0.99)
    for name, changes in {"recipe": {}, **WITHOUT}.items():
        own = {"kind": "half_resolution", "components": 4, "retrain": changes}
        config.networks[name] = ConfigDict(complete_network(name, own))
    del config.networks["half_resolution"]


WITHOUT = {
    "without_strips": {"strip": 0, "steps": 125},  # as many pixels, in as much time
    "without_flips": {"flips": False},
    "without_log_mse": {"loss": "mse"},
    "without_deep_supervision": {"deep_supervision": 0.0},
    "without_muon": {"optimizer": "adam", "learning_rate": 1e-3},
    "without_muon_same_rate": {"optimizer": "adam"},
    "without_clipping": {"clip_norm": 0.0},
    "without_warmup": {"warmup": 0.0},
    "without_average": {"average": 0.0},
    "without_beta2": {"beta2": 0.999},
}
SAME_MINUTES = ("unet", "dccnn", "cddntdc", "half_resolution", "emrnas")
VARIANTS = {
    "small": paper.reduce,
    "table2": paper.table_2,
    "table3": paper.table_3,
    "search_variants": paper.search_variants,
    "consistency": paper.consistencies,
    "included": included,
    "same_minutes": same_minutes,
    "half_hour": half_hour,
    "recipe": recipe,
    "front": front,
    "gate_variance": search_trials.gate_variance,
    "gate_ranking": search_trials.gate_ranking,
    "gate_random": search_trials.gate_random,
    "gate_paper": search_trials.gate_paper,
}
