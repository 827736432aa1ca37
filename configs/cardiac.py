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
    NAME             one network: unet, dccnn, rdn, cddntdc, dccnn_matched, ..., tv,
                     ablation_a to ablation_g, emrnas_real, dccnn_real, ...

Measured: `small` ends at 28.34 dB, SSIM 0.865 (zero-filled 21.99 dB, 0.616), in minutes
on two CPU cores (docs/results.md).
The paper's own size has not been run here; a search step costs 1.1 times the fixed
network's training step (docs/results.md).
"""

# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# (a ConfigDict declares its values as anything JSON can hold)

from ml_collections import ConfigDict

from emrnas_jax.experiment import paper


def get_config(variant: str | None = None) -> ConfigDict:
    """Return the settings of a variant, of the paper's own run without one."""
    config = paper.settings()
    config.data.path = "data/cardiac"
    paper.apply_variant(config, variant, VARIANTS)
    return config


VARIANTS = {
    "small": paper.reduce,
    "table2": paper.table_2,
    "table3": paper.table_3,
    "search_variants": paper.search_variants,
    "consistency": paper.consistencies,
}
