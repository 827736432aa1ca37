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
    small       the same at reduced size
    simulated   complex images in place of k-space, with eight simulated coils
    NAME        one network: half_resolution, dccnn, tv, ... (configs/cardiac.py)
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


VARIANTS = {"small": paper.reduce, "simulated": simulated}
