"""fastMRI's multi-coil brains, four- and eightfold, with equispaced masks.

    python -m emrnas_jax.main --config=configs/fastmri_brain.py --workdir=runs/brain \
        --config.data.path=FOLDER

FOLDER holds files of `multicoil_train` or `multicoil_val`. A mask measures a quarter or
an eighth of the columns, 8 % or 4 % of them in the centre, so one network learns both.
Images are cut to 640 x 320 pixels, and files that are smaller are refused: remove them.
Scores are of volumes and of these pixels, against the image that coil maps combine;
those of the challenge are of the middle 320 x 320. Nothing of this has been measured:
the data could not be had. The reader is tested on files of this form.

Variants, after a colon; NAME_small is NAME at a quarter of the size, with small
networks and few epochs:
    small   the same at reduced size
    NAME    one network: half_resolution, dccnn, tv, ... (configs/cardiac.py)
"""

# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# (a ConfigDict declares its values as anything JSON can hold)

from ml_collections import ConfigDict

from emrnas_jax.experiment import paper


def get_config(variant: str | None = None) -> ConfigDict:
    """Return the settings of a variant."""
    config = paper.settings()
    config.data.path = "data/fastmri_brain"
    config.data.update(height=640, width=320, coils=8)
    config.loop.steps_per_dispatch = 1  # a step of eight frames is 210 MB
    config.evaluation.convention = "fastmri"
    paper.apply_variant(config, variant, {"small": paper.reduce})
    paper.take_coils(config)
    # Of the challenge: both accelerations, each with its centre.
    config.sampling.other_rates = "0.125"
    config.sampling.other_center_fractions = "0.04"
    return config
