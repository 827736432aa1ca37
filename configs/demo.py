"""Phantoms made on the fly: the whole protocol, small, with no files needed.

    python -m emrnas_jax.main --config=configs/demo.py --workdir=runs/demo

It searches the best network that takes at most 80 % of the time of the slowest on this
device. About three minutes on two CPU cores, the first start's compiling included; the
searched network ends about 7 dB above zero-filling (docs/results.md). Sizes and rates
were chosen so that it is over in minutes.

Variants, after a colon, whose searches are the paper's:
    tiny   a few steps of everything, for tests
    head   head-like phantoms
    multicoil       head-like phantoms with a phase, noise and six coils, a quarter of
                    the lines
    multicoil_tiny  the same in a few steps
    NAME   one network at full size, as in configs/cardiac.py: dccnn, for example, or
           one of your own; NAME_small at reduced size
"""

# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# (a ConfigDict declares its values as anything JSON can hold)

from ml_collections import ConfigDict

from emrnas_jax.experiment import paper


def get_config(variant: str | None = None) -> ConfigDict:
    """Return the settings of the demonstration or of a variant."""
    config = paper.settings()
    config.reduced = True
    config.data.path = "phantom"
    config.data.height = config.data.width = 64
    config.data.phantom = ConfigDict(
        {
            "kind": "heart",
            "subjects": 9,
            "slices": 2,
            "frames": 8,
            "size": 64,
            "seed": 0,
        }
    )
    config.networks.emrnas.components = 2
    config.networks.emrnas.width = 8
    config.search.warmup_epochs = 2
    config.search.search_epochs = 3
    config.search.learning_rate = 3e-3
    config.search.alpha_learning_rate = 0.03  # few steps, so each must count
    config.retrain.epochs = 12
    config.retrain.learning_rate = 5e-3
    if not variant:
        config.search.update(method="front", loss="log_mse", budget_share=0.8)
    paper.apply_variant(config, variant, VARIANTS)
    return config


def tiny(config: ConfigDict) -> None:
    """Shrink everything to what shows that it works."""
    config.data.height = config.data.width = config.data.phantom.size = 16
    config.data.phantom.update(subjects=6, slices=1, frames=4)
    config.networks.emrnas.update(components=1, cells_per_block=2, width=4)
    config.search.update(warmup_epochs=1, search_epochs=2, batch=2)
    config.retrain.update(epochs=3, batch=2)
    config.evaluation.update(batch=2, examples=1)
    config.loop.update(steps_per_dispatch=2)


def head(config: ConfigDict) -> None:
    """Take head-like phantoms."""
    config.data.phantom.kind = "head"


def multicoil(config: ConfigDict) -> None:
    """Measure head-like phantoms with simulated coils and noise."""
    head(config)
    paper.take_coils(config)
    config.data.simulated_coils = 6
    # So many lines, eight of 64, are needed to estimate maps where none are given.
    config.sampling.center_fraction = 0.125
    config.sampling.noise = 0.01


def multicoil_tiny(config: ConfigDict) -> None:
    """Shrink the demonstration of coils to what shows that it works."""
    multicoil(config)
    tiny(config)


VARIANTS = {
    "tiny": tiny,
    "head": head,
    "multicoil": multicoil,
    "multicoil_tiny": multicoil_tiny,
}
