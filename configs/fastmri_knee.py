"""fastMRI's multi-coil knees, four- and eightfold, with random masks.

    python -m emrnas_jax.main --config=configs/fastmri_knee.py --workdir=runs/knee \
        --config.data.path=FOLDER

FOLDER holds files of `multicoil_train` or `multicoil_val`. A mask measures a quarter or
an eighth of the columns, 8 % or 4 % of them in the centre, so one network learns both.
Images keep their sizes, so k-space is what was measured. Of more than four sizes the
four most frequent are kept, and other images are cut to them; a line says which. Where
a file is smaller than all four, a larger --config.data.sizes helps.
As in the challenge, the target is the root of the sum of squares of the coils, of the
eight virtual ones here, and scores are of volumes and of the middle 320 x 320 pixels.
Nothing of this has been measured: the data could not be had. The reader is tested on
files of this form.

Variants, after a colon; NAME_small is NAME at a quarter of the size, with small
networks and few epochs:
    small   the same at reduced size
    NAME    one network: half_resolution, dccnn, tv, ... (configs/cardiac.py)
"""

from ml_collections import ConfigDict

from emrnas_jax.experiment import paper


def get_config(variant: str | None = None) -> ConfigDict:
    """Return the settings of a variant."""
    return paper.fastmri("data/fastmri_knee", "random", variant)
