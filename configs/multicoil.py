"""K-space of several coils: EMR-NAS searched on your own complete scans.

    python -m emrnas_jax.main --config=configs/multicoil.py --workdir=runs/multicoil \
        --config.data.path=FOLDER

FOLDER holds complete k-space, one file per subject, in any form of docs/data.md:
fastMRI's, ISMRMRD, BART, MATLAB, Calgary-Campinas or arrays. A quarter of the columns
is measured. Coils are compressed to eight (`--config.data.coils`); images are cut to
`--config.data.height` and `--config.data.width`. On phantoms the same runs with
`configs/demo.py:multicoil`.

Variants, after a colon; NAME_small is NAME at a quarter of the size, with small
networks and few epochs:
    small         the same at reduced size
    simulated     complex images in place of k-space, with eight simulated coils
    same_minutes  the networks of the field and ours on such images, four- and
                  eightfold, each trained for half an hour with one recipe
    NAME          one network: half_resolution, varnet, modl, sense, ...
                  (docs/networks.md)
"""

# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# (a ConfigDict declares its values as anything JSON can hold)

from ml_collections import ConfigDict

from emrnas_jax.experiment import paper

COILS = 8


def get_config(variant: str | None = None) -> ConfigDict:
    """Return the settings of a variant."""
    config = paper.settings()
    config.data.path = "data/multicoil"
    paper.apply_variant(config, variant, VARIANTS)
    paper.take_coils(config)
    if not config.data.simulated_coils:
        config.data.coils = COILS
    return config


def simulated(config: ConfigDict) -> None:
    """Simulate coils, and the noise of a scan, around complex images."""
    config.data.simulated_coils = COILS
    config.sampling.noise = 0.01


def same_minutes(config: ConfigDict) -> None:
    """Give every network the same recipe and the same half hour.

    EMR-NAS has the published architecture, so that nothing is searched.
    """
    simulated(config)
    paper.use(config, SAME_MINUTES)
    config.networks.emrnas.architecture = "cardiac"
    paper.use_recipe(config)
    config.retrain.minutes = 30.0
    # Fourfold as without this variant, and eightfold.
    config.sampling.other_rates = "0.125"
    config.sampling.other_center_fractions = "0.04"


SAME_MINUTES = ("sense", "tv", "modl", "varnet", "emrnas", "half_resolution")
VARIANTS = {
    "small": paper.reduce,
    "simulated": simulated,
    "same_minutes": same_minutes,
}
