"""The paper's Cardiac experiment: York short-axis frames, 15 % of the lines.

    python -m emrnas_jax.main --config=configs/cardiac.py --workdir=runs/cardiac \
        --config.data.path=FOLDER
"""

import ml_collections

from emrnas_jax.errors import InputError

VARIANTS = ("", "small")


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """Return the settings; `variant` is what follows the colon of --config."""
    if variant not in VARIANTS:
        raise InputError(variant)
    config = ml_collections.ConfigDict()
    config.seed = 0
    config.reduced = False
    config.architecture = ""  # searched; or a preset's name, or [O5 O8 O8|...]
    config.data = ml_collections.ConfigDict(
        {
            "path": "data/cardiac",
            "images": "magnitude",
            "cache": "~/.cache/emrnas_jax",
            "height": 256,  # section 3
            "width": 256,
            "downsample": 1,
            "frames_per_subject": 0,
            "subjects": 0,
            "phantom": {},
        }
    )
    config.sampling = ml_collections.ConfigDict(
        {
            "kind": "cartesian",
            "rate": 0.15,  # section 3
            "center_fraction": 0.04,
            "phase_encode": "rows",
            "file": "",
        }
    )
    config.folds = ml_collections.ConfigDict(
        {"count": 3, "validation": 2 / 11}  # section 3
    )
    config.networks = ml_collections.ConfigDict(
        {
            "emrnas": {
                "components": 5,  # section 3
                "cells_per_block": 3,
                "width": 16,  # gives 324,186 parameters; the paper says 0.33 M
                "consistency": "two_step",  # section 2.1
                "batch_norm": False,
                "residual": True,
            }
        }
    )
    config.search = ml_collections.ConfigDict(
        {
            "warmup_epochs": 50,  # section 3
            "search_epochs": 50,
            "batch": 8,
            "learning_rate": 1e-3,
            "weight_decay": 1e-7,
            "momentum": 0.9,
            "alpha_learning_rate": 1e-3,
            "alpha_weight_decay": 1e-6,
            "alpha_momentum": 0.9,  # not in the paper: Adam's default
            "paths_per_cell": 1,  # equation 2
            "gate_rule": "sample",  # equation 2 has argmax, which freezes the search
        }
    )
    config.retrain = ml_collections.ConfigDict(
        {
            "epochs": 100,  # not in the paper: as many as the search
            "batch": 8,  # section 3, likewise the rest
            "learning_rate": 1e-3,
            "weight_decay": 1e-7,
            "momentum": 0.9,
        }
    )
    config.evaluation = ml_collections.ConfigDict({"batch": 8, "examples": 3})
    config.loop = ml_collections.ConfigDict(
        {"steps_per_dispatch": 10, "checkpoint_seconds": 60.0, "device_mib": 4096.0}
    )
    return config
