"""The settings of the paper, from which every file of `configs/` starts.

Each section is splatted into one constructor: `data` into `DataSettings`, `sampling`
into `Sampling`, `folds` and `evaluation` into those of `experiment`, a network's into
its constructor, `search` and `retrain` into `SearchSettings` and `RetrainSettings`.
Section numbers are those of EMR-NAS (Huang et al., 2020).
"""

# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# (a ConfigDict declares its values as anything JSON can hold)

from collections.abc import Callable

from ml_collections import ConfigDict

from emrnas_jax.errors import InputError

Variants = dict[str, Callable[[ConfigDict], None]]


def settings() -> ConfigDict:
    """Return the settings of section 3, for 256 x 256 magnitude images."""
    config = ConfigDict()
    config.seed = 0
    config.reduced = False  # True labels the report as a reduced-size run
    config.architecture = ""  # searched; or a preset's name, or [O5 O8 O8|...]
    config.data = ConfigDict()
    config.data.path = ""  # folder of the files
    config.data.images = "magnitude"
    config.data.cache = "~/.cache/emrnas_jax"
    config.data.height = 256  # section 3
    config.data.width = 256
    config.data.downsample = 1
    config.data.frames_per_subject = 0  # all
    config.data.subjects = 0  # all
    config.data.phantom = ConfigDict()
    config.sampling = ConfigDict()
    config.sampling.kind = "cartesian"
    config.sampling.rate = 0.15  # section 3
    config.sampling.center_fraction = 0.04  # fastMRI's, for its kinds alone
    config.sampling.phase_encode = "rows"  # as in the published data
    config.sampling.file = ""
    config.folds = ConfigDict()
    config.folds.count = 3  # section 3
    config.folds.validation = 2 / 11  # "a ratio around 9:2", section 3
    config.networks = ConfigDict()
    config.networks.emrnas = ConfigDict()
    config.networks.emrnas.components = 5  # N, section 3
    config.networks.emrnas.cells_per_block = 3  # T = 3 N, section 3
    config.networks.emrnas.width = 16  # 324,186 parameters; section 3.3 has 0.33 M
    config.networks.emrnas.consistency = "two_step"  # TDC, section 2.1
    config.networks.emrnas.batch_norm = False  # Table 3, A
    config.networks.emrnas.residual = True
    config.networks.emrnas.shared = "none"  # Table 3: heterogeneous blocks
    config.networks.emrnas.precision = "float32"  # or tf32, bf16: GPUs and TPUs
    config.search = ConfigDict()
    config.search.warmup_epochs = 50  # section 3
    config.search.search_epochs = 50
    config.search.batch = 8
    config.search.learning_rate = 1e-3
    config.search.weight_decay = 1e-7
    config.search.momentum = 0.9
    config.search.alpha_learning_rate = 1e-3
    config.search.alpha_weight_decay = 1e-6  # section 3; holds p near uniform
    config.search.alpha_momentum = 0.9  # not in the paper; Adam's default
    config.search.alpha_epsilon = 1e-8  # not in the paper; Adam's default
    config.search.paths_per_cell = 1  # equation 2
    config.search.gate_rule = "sample"  # argmax, equation 2's, freezes the search
    config.search.folds_in_parallel = False  # True needs a device for each fold
    config.retrain = ConfigDict()
    config.retrain.epochs = 100  # not in the paper; as many as the search has
    config.retrain.batch = 8  # section 3, like the rest
    config.retrain.learning_rate = 1e-3
    config.retrain.weight_decay = 1e-7
    config.retrain.momentum = 0.9
    config.evaluation = ConfigDict()
    config.evaluation.batch = 8
    config.evaluation.examples = 3  # frames a fold shown in the report
    config.loop = ConfigDict()  # changes nothing but speed
    config.loop.steps_per_dispatch = 10
    config.loop.checkpoint_seconds = 60.0
    config.loop.device_mib = 4096.0  # larger data sets stream
    return config


def reduce(config: ConfigDict) -> None:
    """Reduce frames, network and epochs so that two CPU cores need minutes.

    The learning rates are larger than the paper's because the steps are few; they were
    chosen on the loss of training, not on test frames.
    """
    config.reduced = True
    config.data.downsample = 4  # 64 x 64
    config.data.frames_per_subject = 10
    config.networks.emrnas.components = 3
    config.networks.emrnas.width = 8
    config.search.warmup_epochs = 3
    config.search.search_epochs = 3
    config.search.learning_rate = 3e-3
    config.search.alpha_learning_rate = 0.02
    config.retrain.epochs = 20
    config.retrain.learning_rate = 5e-3


def apply_variant(config: ConfigDict, name: str | None, variants: Variants) -> None:
    """Change `config` into the variant that follows the colon of `--config`.

    Raises:
        InputError: there is no such variant.
    """
    if not name:
        return
    if name not in variants:
        raise InputError(
            f"--config: no variant {name!r}; there are {', '.join(variants)}"
        )
    variants[name](config)
