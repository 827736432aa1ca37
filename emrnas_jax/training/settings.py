"""The config sections `search` and `retrain`, checked where they enter."""

import math
from dataclasses import dataclass

from emrnas_jax.errors import InputError
from emrnas_jax.nas.gates import GATE_RULES


@dataclass(frozen=True)
class SearchSettings:
    """The config section `search`; defaults are those of section 3.

    Attributes:
        warmup_epochs: epochs of weight steps on uniformly drawn paths.
        search_epochs: epochs that alternate weights and alphas.
        batch: frames per step, of training and of validation.
        learning_rate: learning rate of the weights; falls to 0 by a cosine in each of
            the phases.
        weight_decay: coupled L2 of the weights.
        momentum: β₁ of the weights' Adam.
        alpha_learning_rate: learning rate of alphas, constant.
        alpha_weight_decay: coupled L2 of alphas.
        alpha_momentum: β₁ of alphas' Adam; the paper does not give it.
        paths_per_cell: operations that run per cell in a step of alphas: 1, 2 or 8.
        alpha_epsilon: ε of alphas' Adam; the paper does not give it. Their gradients
            are 1e-8 to 1e-6, but 1e-12 gave the same p: what holds p near uniform is
            the decay, which exceeds the mean gradient (1e-8) where |α| is above 0.01.
        gate_rule: "sample" draws paths from p, "argmax" is equation 2 to the letter,
            "uniform" is random search with shared weights: `training.random_search`.
        folds_in_parallel: search the folds side by side, each on devices of its own;
            changes no result.
    """

    warmup_epochs: int = 50  # section 3, like all without a comment
    search_epochs: int = 50
    batch: int = 8
    learning_rate: float = 1e-3
    weight_decay: float = 1e-7
    momentum: float = 0.9
    alpha_learning_rate: float = 1e-3
    alpha_weight_decay: float = 1e-6  # section 3; holds p near uniform
    alpha_momentum: float = 0.9  # not in the paper; Adam's default
    alpha_epsilon: float = 1e-8  # not in the paper; Adam's default
    paths_per_cell: int = 1  # equation 2
    gate_rule: str = "sample"  # argmax, equation 2's, freezes the search
    folds_in_parallel: bool = False  # True needs a device for each fold

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            InputError: a value is outside its range.
        """
        if self.gate_rule not in GATE_RULES:
            raise InputError(
                f"search.gate_rule: found {self.gate_rule!r}; choose one of "
                f"{', '.join(GATE_RULES)}"
            )
        if self.gate_rule == "uniform" and self.paths_per_cell != 1:
            raise InputError(
                f"search.paths_per_cell: found {self.paths_per_cell}; leave it at 1 "
                "with search.gate_rule=uniform, which has no steps of alphas"
            )
        # Either phase may be left out: a search without warm-up, or a warm-up alone.
        for name in ("warmup_epochs", "search_epochs"):
            if getattr(self, name) < 0:
                raise InputError(f"search.{name}: must not be negative")
        if self.warmup_epochs + self.search_epochs == 0 or self.batch < 1:
            raise InputError("search: needs at least one epoch and a batch of one")
        rates = ("learning_rate", "weight_decay")
        require_rates("search", self, *rates, *(f"alpha_{name}" for name in rates))
        require_rates("search", self, "alpha_epsilon")
        require_momenta("search", self, "momentum", "alpha_momentum")


@dataclass(frozen=True)
class RetrainSettings:
    """The config section `retrain`.

    Attributes:
        epochs: number of epochs, which the paper does not give.
        batch: frames per step (section 3).
        learning_rate: learning rate; falls to 0 by a cosine (section 3).
        weight_decay: coupled L2 (section 3).
        momentum: Adam's β₁ (section 3).
    """

    epochs: int = 100  # not in the paper; as many as the search has
    batch: int = 8  # section 3, like the rest
    learning_rate: float = 1e-3
    weight_decay: float = 1e-7
    momentum: float = 0.9

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            InputError: a value is outside its range.
        """
        if self.epochs < 1 or self.batch < 1:
            raise InputError("retrain: needs at least one epoch and a batch of one")
        require_rates("retrain", self, "learning_rate", "weight_decay")
        require_momenta("retrain", self, "momentum")


def require_paths(settings: SearchSettings, operations: int) -> None:
    """Check the paths of a step of alphas: one, two, or one for each operation.

    Args:
        settings: settings of a search.
        operations: number of candidates of the search. A finished search may have had
            more or fewer than there are now.

    Raises:
        InputError: the number of paths is another one.
    """
    # Two are the sampled pair of ProxylessNAS.
    if settings.paths_per_cell not in (1, 2, operations):
        raise InputError(
            f"search.paths_per_cell: found {settings.paths_per_cell}; choose one of "
            f"1, 2, {operations}"
        )


def require_rates(section: str, settings: object, *names: str) -> None:
    """Check that settings are finite and not negative.

    Raises:
        InputError: a value is outside its range; the message has its key.
    """
    for name in names:
        value = getattr(settings, name)
        # Zero is allowed: it turns a decay off.
        if not math.isfinite(value) or value < 0:
            raise InputError(f"{section}.{name}: found {value}; use 0 or more")


def require_momenta(section: str, settings: object, *names: str) -> None:
    """Check that settings are in [0, 1), as Adam's β₁ must be.

    Raises:
        InputError: a value is outside its range; the message has its key.
    """
    for name in names:
        value = getattr(settings, name)
        # At 1 the mean of the gradients would never leave its first value, 0.
        if not 0 <= value < 1:
            raise InputError(f"{section}.{name}: found {value}; use 0 to below 1")
