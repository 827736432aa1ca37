"""The config section `retrain`, checked where it enters."""

from dataclasses import dataclass

from emrnas_jax.data.strips import Augmentation
from emrnas_jax.errors import InputError
from emrnas_jax.training.loss import LOSSES
from emrnas_jax.training.optimizers import OPTIMIZERS
from emrnas_jax.training.setting_checks import (
    require_counts,
    require_known,
    require_momenta,
    require_rates,
)


@dataclass(frozen=True)
class RetrainSettings:
    """The config section `retrain`.

    Defaults are those of section 3; what the paper does not have is left out.

    Attributes:
        epochs: number of epochs, which the paper does not give.
        steps: number of steps in place of epochs; 0 for epochs.
        minutes: time that the training of a network in a fold takes, in place of epochs
            or steps; 0 for either. It becomes a number of steps once, by the time that
            steps take on this machine, and all folds have that number.
        batch: frames per step (section 3).
        learning_rate: the largest learning rate; falls to 0 by a cosine (section 3).
        warmup: part of the training in which the learning rate rises from 0, below 1.
        weight_decay: coupled L2 (section 3).
        optimizer: key of `training.optimizers.OPTIMIZERS`.
        momentum: Adam's β₁ (section 3).
        beta2: Adam's β₂.
        clip_norm: norm to which longer gradients are shortened; 0 for none.
        loss: key of `training.loss.LOSSES`.
        deep_supervision: weight of the mean loss of the images after all components
            but the last one, beside that of the image; 0 for none. A network that makes
            one image alone has nothing more to supervise.
        average: decay of the exponential moving average of the weights, which is then
            what is scored and used; 0 for the weights of the last step.
        strip: width of the strip of each frame that a step sees, pixels along the
            readout; 0 for whole frames.
        flips: whether frames are mirrored at random along both axes.
        start: model whose weights the training starts from, the name of one that comes
            with the package or a model folder; "" for fresh weights.
    """

    epochs: int = 100  # not in the paper; as many as the search has
    steps: int = 0
    minutes: float = 0.0
    batch: int = 8  # section 3, like the rest
    learning_rate: float = 1e-3
    warmup: float = 0.0
    weight_decay: float = 1e-7
    optimizer: str = "adam"
    momentum: float = 0.9
    beta2: float = 0.999  # not in the paper; Adam's default
    clip_norm: float = 0.0
    loss: str = "mse"
    deep_supervision: float = 0.0
    average: float = 0.0
    strip: int = 0
    flips: bool = False
    start: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            InputError: a value is outside its range.
        """
        if self.epochs < 1 or self.batch < 1:
            raise InputError("retrain: needs at least one epoch and a batch of one")
        for key, known in (("loss", LOSSES), ("optimizer", OPTIMIZERS)):
            require_known("retrain", self, key, known)
        if self.steps and self.minutes:
            raise InputError(
                f"retrain.minutes: found {self.minutes} beside retrain.steps="
                f"{self.steps}; set one of them to 0"
            )
        require_counts("retrain", self, "steps", "strip")
        rates = ("learning_rate", "weight_decay", "clip_norm", "minutes")
        require_rates("retrain", self, *rates, "deep_supervision")
        require_momenta("retrain", self, "momentum", "beta2", "average", "warmup")

    @property
    def augmentation(self) -> Augmentation:
        """How frames are varied before a step sees them."""
        return Augmentation(self.strip, self.flips)

    @property
    def length(self) -> str:
        """The length of the training in words: epochs, steps or minutes."""
        if self.minutes:
            return f"{self.minutes:g} minutes"
        count, unit = (self.steps, "step") if self.steps else (self.epochs, "epoch")
        return f"{count} {unit}{'s' * (count != 1)}"
