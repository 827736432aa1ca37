"""CMRxRecon's cine images of the heart, fourfold.

    python -m emrnas_jax.main --config=configs/cmrxrecon.py --workdir=runs/cmrxrecon \
        --config.data.path=FOLDER

FOLDER holds complete k-space, `kspace_full` of MATLAB files, one patient per file. A
mask measures every fourth column, and the 24 in the centre that the challenge of 2023
has. Sizes differ by patient; images are cut to 384 x 128 pixels, and files that are
smaller are refused. The target is the root of the sum of squares of the coils, as the
challenge has it. Scores are of whole images of every slice and frame; those of the
challenge are of the middle third of the height and half of the width, of two slices and
three frames. Nothing of this has been measured: the data could not be had. The reader
is tested on files of this form.

Variants, after a colon; NAME_small is NAME at a quarter of the size, with small
networks and few epochs:
    small   the same at reduced size
    NAME    one network: half_resolution, dccnn, tv, ... (configs/cardiac.py)
"""

# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# (a ConfigDict declares its values as anything JSON can hold)

from ml_collections import ConfigDict

from emrnas_jax.experiment import paper

WIDTH = 128


def get_config(variant: str | None = None) -> ConfigDict:
    """Return the settings of a variant."""
    config = paper.settings()
    config.data.path = "data/cmrxrecon"
    config.data.update(height=384, width=WIDTH, coils=10, target="rss")
    config.loop.steps_per_dispatch = 2  # a step of eight frames is 60 MB
    paper.apply_variant(config, variant, {"small": paper.reduce})
    paper.take_coils(config)
    config.sampling.center_fraction = 24 / WIDTH
    return config
