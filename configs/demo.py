"""Phantoms made on the fly: the whole protocol, small, with no files needed.

    python -m emrnas_jax.main --config=configs/demo.py --workdir=runs/demo
"""

import ml_collections

from configs import cardiac


def get_config() -> ml_collections.ConfigDict:
    """Return the settings of the demonstration."""
    config = cardiac.get_config()
    config.reduced = True
    config.data.path = "phantom"
    config.data.height = config.data.width = 64
    config.data.phantom = ml_collections.ConfigDict(
        {"kind": "heart", "subjects": 12, "slices": 2, "frames": 8, "size": 64, "seed": 0}
    )
    config.networks.emrnas.components = 2
    config.networks.emrnas.width = 8
    config.search.update(
        warmup_epochs=3,
        search_epochs=3,
        learning_rate=3e-3,
        alpha_learning_rate=0.03,
    )
    config.retrain.update(epochs=12, learning_rate=5e-3)
    return config
