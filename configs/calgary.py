"""Calgary-Campinas brains of 12 coils, fivefold.

    python -m emrnas_jax.main --config=configs/calgary.py --workdir=runs/calgary \
        --config.data.path=FOLDER

FOLDER holds the `e14089s3_P53248.7.h5` of 12 channels, complete k-space. Masks are of
points, Poisson discs with an ellipse in the centre, like those of the challenge; they
measure a fifth of the points. The challenge's own masks are used with

    --config.sampling.kind=file --config.sampling.file=R5_218x170.npy \
    --config.data.height=218 --config.data.width=170

Targets are the root of the sum of squares of the coils, as the challenge has them, and
scores are of frames, in its convention. Nothing of this has been measured: the data
could not be had. The reader is tested on files of this form.

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
    config.data.path = "data/calgary"
    config.data.update(height=216, width=168, coils=12, target="rss")
    # Its outermost columns are empty in every file (kz beyond 85 %), and no fault.
    config.data.fully_sampled = True
    config.loop.steps_per_dispatch = 2  # a step of eight frames is 56 MB
    config.evaluation.convention = "calgary"
    paper.apply_variant(config, variant, {"small": paper.reduce})
    paper.take_coils(config)
    # The challenge measures a circle of radius 16 in the centre, 0.15 of its 218 rows.
    # Here it is an ellipse, with 0.15 of the columns too.
    config.sampling.update(kind="poisson", rate=0.2, center_fraction=0.15)
    return config
