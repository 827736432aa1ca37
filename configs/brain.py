"""The paper's Brain experiment: Calgary-Campinas-359 slices, 15 % of the lines.

    python -m emrnas_jax.main --config=configs/brain.py --workdir=runs/brain \
        --config.data.path=FOLDER

FOLDER holds the NIfTI volumes `CC0001_philips_15_55_M.nii.gz` or the single-channel
raw `e*_P*.7.npy`. The paper reports 31.76 dB and SSIM 0.888 for 35 subjects.

Neither the paper's size nor a variant has been measured here: the data could not be
had. The readers are tested on files of the same form.

Variants, after a colon; NAME_small is NAME at a quarter of the size, with small
networks and few epochs:
    small     the paper's run at reduced size
    complex   complex targets (raw k-space, or complex HDF5), plain data consistency
    table2    the networks of Table 2, and the size-matched ones of section 3.3
    NAME      one network: unet, dccnn, rdn, ... (configs/cardiac.py)
"""

# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# (a ConfigDict declares its values as anything JSON can hold)

from ml_collections import ConfigDict

from emrnas_jax.experiment import paper


def get_config(variant: str | None = None) -> ConfigDict:
    """Return the settings of a variant, of the paper's own run without one."""
    config = paper.settings()
    config.data.path = "data/brain"
    paper.apply_variant(config, variant, VARIANTS)
    return config


def complex_images(config: ConfigDict) -> None:
    """Reconstruct complex images, for which the two-step consistency is wrong."""
    config.data.images = "complex"
    for own in config.networks.values():
        own.consistency = "single"


VARIANTS = {
    "small": paper.reduce,
    "complex": complex_images,
    "table2": paper.table_2,
}
