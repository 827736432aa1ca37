"""The paper's Cardiac experiment: York short-axis frames, 15 % of the lines.

    python -m emrnas_jax.main --config=configs/cardiac.py --workdir=runs/cardiac \
        --config.data.path=FOLDER

FOLDER holds `sol_yxzt_patN.mat`, the PNG export or one HDF5 file per subject. The
paper reports 34.87 dB and SSIM 0.934 after about half a day per fold on one GPU.

Variants, after a colon:
    small   real frames at a quarter of the size and a small network
"""

# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# (a ConfigDict declares its values as anything JSON can hold)

from ml_collections import ConfigDict

from emrnas_jax import paper


def get_config(variant: str | None = None) -> ConfigDict:
    """Return the settings of a variant, of the paper's own run without one."""
    config = paper.settings()
    config.data.path = "data/cardiac"
    paper.apply_variant(config, variant, {"small": small})
    return config


def small(config: ConfigDict) -> None:
    """Reduce frames, network and epochs so that two CPU cores need minutes."""
    config.reduced = True
    config.data.downsample = 4  # 64 x 64
    config.data.frames_per_subject = 10
    config.networks.emrnas.components = 3
    config.networks.emrnas.width = 8
    config.search.warmup_epochs = 3
    config.search.search_epochs = 3
    config.search.learning_rate = 3e-3
    config.search.alpha_learning_rate = 0.02  # few steps, so each must count
    config.retrain.epochs = 20
    config.retrain.learning_rate = 5e-3
