"""The paper's Cardiac experiment: York short-axis frames, 15 % of the lines.

    python -m emrnas_jax.main --config=configs/cardiac.py --workdir=runs/cardiac \
        --config.data.path=FOLDER

FOLDER holds `sol_yxzt_patN.mat`, the PNG export or one HDF5 file per subject. The
paper reports 34.87 dB and SSIM 0.934 after about half a day per fold on one GPU.

Variants, after a colon:
    small        real frames at a quarter of the size, a small network, few epochs
    ablation_b   batch norm (Table 3)
    ablation_c   no residuals
    ablation_f   four cells per block, all blocks alike
    ablation_g   all blocks alike
    emrnas_real  beyond the paper: uses that the images are real

Measured: `small` ends at 28.34 dB, SSIM 0.865 (zero-filled 21.99 dB, 0.616; README),
in minutes on two CPU cores.
The paper's own size has not been run here; a search step costs 1.1 times the fixed
network's training step (README).
"""

# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# (a ConfigDict declares its values as anything JSON can hold)

from ml_collections import ConfigDict

from emrnas_jax import paper


def get_config(variant: str | None = None) -> ConfigDict:
    """Return the settings of a variant, of the paper's own run without one."""
    config = paper.settings()
    config.data.path = "data/cardiac"
    paper.apply_variant(config, variant, VARIANTS)
    return config


def batch_norm(config: ConfigDict) -> None:
    """Put batch norm after each activation: Table 3, B."""
    config.networks.emrnas.batch_norm = True


def no_residuals(config: ConfigDict) -> None:
    """Leave out the residuals of cells and blocks: Table 3, C."""
    config.networks.emrnas.residual = False


def deeper(config: ConfigDict) -> None:
    """Four cells per block, all blocks alike: Table 3, F."""
    config.networks.emrnas.cells_per_block = 4
    config.networks.emrnas.shared = "block"


def homogeneous(config: ConfigDict) -> None:
    """All blocks alike: Table 3, G."""
    config.networks.emrnas.shared = "block"


def real(config: ConfigDict) -> None:
    """Use that the images are real: beyond the paper, for magnitude images only."""
    config.networks.emrnas.consistency = "real"


VARIANTS = {
    "small": paper.reduce,
    "ablation_b": batch_norm,
    "ablation_c": no_residuals,
    "ablation_f": deeper,
    "ablation_g": homogeneous,
    "emrnas_real": real,
}
