"""The config section `search`, checked where it enters."""

from dataclasses import dataclass

from emrnas_jax.data.strips import Augmentation
from emrnas_jax.errors import InputError
from emrnas_jax.nas.gates import GATE_RULES
from emrnas_jax.training.loss import LOSSES
from emrnas_jax.training.optimizers import OPTIMIZERS
from emrnas_jax.training.setting_checks import (
    require_counts,
    require_known,
    require_momenta,
    require_rates,
)

# How an architecture is found.
METHODS = {
    "proxyless": "alphas move by the gradient of the validation loss: the paper's",
    "reinforce": "alphas move by the validation losses of drawn architectures",
    "random": "the best of random candidates, judged with shared weights",
    "front": "the best for every time, predicted from candidates",
    "short_trainings": "as front, from candidates that are trained alone",
}
# Methods that predict quality from candidates, and how many they judge.
CANDIDATES = {"front": 256, "short_trainings": 32}
BUDGETS = ("budget_ms", "budget_share")

# Settings that some methods use alone.
USED_BY = {
    "paths_per_cell": ("proxyless",),
    "gate_rule": ("proxyless",),
    "architectures_per_step": ("reinforce",),
    "time_weight": ("reinforce",),
    "candidates": ("random", *CANDIDATES),
    "rounds": (*CANDIDATES,),
    "budget_ms": ("random", *CANDIDATES),
    "budget_share": ("random", *CANDIDATES),
    "latency": ("reinforce", "random", *CANDIDATES),
}


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
        optimizer: key of `training.optimizers.OPTIMIZERS`, of the weights.
        momentum: β₁ of the weights' Adam.
        clip_norm: norm to which longer gradients of a path's weights are shortened; 0
            for none.
        alpha_learning_rate: learning rate of alphas, constant.
        alpha_weight_decay: coupled L2 of alphas.
        alpha_momentum: β₁ of alphas' Adam; the paper does not give it.
        paths_per_cell: operations that run per cell in a step of alphas: 1, 2 or 8.
        alpha_epsilon: ε of alphas' Adam; the paper does not give it. Their gradients
            are 1e-8 to 1e-6, but 1e-12 gave the same p: what holds p near uniform is
            the decay, which exceeds the mean gradient (1e-8) where |α| is above 0.01.
        gate_rule: "sample" draws paths from p, "argmax" is equation 2 to the letter.
        method: key of `METHODS`. `reinforce` moves alphas by Adam with β₁ = 0, without
            decay, and by the logarithm of the squared error, whatever the loss is.
        architectures_per_step: architectures that `reinforce` draws in a step of alphas
            and compares with each other, at least 2.
        time_weight: what the logarithm of an architecture's time counts beside that of
            the squared error in `reinforce`; 0 for nothing. At 0.1, half the time is
            worth 0.3 dB.
        candidates: architectures that are judged; 0 for `CANDIDATES`, or for as many
            in `random` as the steps of alphas would have paid for. `short_trainings`
            trains each for an equal part of the steps of both phases.
        rounds: rounds in which methods that make a front choose candidates. Those of
            the first, half of them, are random; those of the others lie on the front
            that all before them predict. In one round all are random.
        budget_ms: the longest time of a frame on this device, milliseconds, of what
            methods with candidates choose; 0 for any.
        budget_share: the same as a share of the slowest architecture's time, below 1;
            0 for none. It means the same on every device.
        latency: latency table of this device, from `python -m emrnas_jax.latency`; ""
            measures one where it is needed.
        loss: key of `training.loss.LOSSES`, of the weights, alphas and candidates.
        strip: width of the strip of each frame that a step sees, pixels along the
            readout; 0 for whole frames, as the paper's.
        flips: whether frames are mirrored at random along both axes.
        folds_in_parallel: search the folds side by side, each on devices of its own;
            changes no result.
    """

    warmup_epochs: int = 50  # section 3, like all without a comment
    search_epochs: int = 50
    batch: int = 8
    learning_rate: float = 1e-3
    weight_decay: float = 1e-7
    optimizer: str = "adam"
    momentum: float = 0.9
    clip_norm: float = 0.0
    alpha_learning_rate: float = 1e-3
    alpha_weight_decay: float = 1e-6  # section 3; holds p near uniform
    alpha_momentum: float = 0.9  # not in the paper; Adam's default
    alpha_epsilon: float = 1e-8  # not in the paper; Adam's default
    paths_per_cell: int = 1  # equation 2
    gate_rule: str = "sample"  # argmax, equation 2's, freezes the search
    method: str = "proxyless"
    architectures_per_step: int = 2  # the fewest that can be compared
    time_weight: float = 0.0
    candidates: int = 0
    rounds: int = 1
    budget_ms: float = 0.0
    budget_share: float = 0.0
    latency: str = ""
    loss: str = "mse"
    strip: int = 0
    flips: bool = False
    folds_in_parallel: bool = False  # True needs a device for each fold

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            InputError: a value is outside its range.
        """
        for key, known in (
            ("gate_rule", GATE_RULES),
            ("method", METHODS),
            ("loss", LOSSES),
            ("optimizer", OPTIMIZERS),
        ):
            require_known("search", self, key, known)
        self._refuse_what_is_not_used()
        if self.architectures_per_step < 2:
            raise InputError(
                f"search.architectures_per_step: found {self.architectures_per_step}; "
                "use at least 2, because they are compared with each other"
            )
        # Either phase may be left out: a search without warm-up, or a warm-up alone.
        for name in ("warmup_epochs", "search_epochs"):
            if getattr(self, name) < 0:
                raise InputError(f"search.{name}: must not be negative")
        if self.warmup_epochs + self.search_epochs == 0 or self.batch < 1:
            raise InputError("search: needs at least one epoch and a batch of one")
        rates = ("learning_rate", "weight_decay")
        require_rates("search", self, *rates, *(f"alpha_{name}" for name in rates))
        require_rates("search", self, "alpha_epsilon", "time_weight", "clip_norm")
        require_rates("search", self, *BUDGETS)
        if self.budget_ms and self.budget_share:
            raise InputError(
                f"search.budget_share: found {self.budget_share} beside "
                f"search.budget_ms={self.budget_ms}; set one of them to 0"
            )
        momenta = ("momentum", "alpha_momentum")
        require_momenta("search", self, *momenta, "budget_share")
        require_counts("search", self, "strip", "candidates")
        if self.rounds < 1:
            raise InputError(f"search.rounds: found {self.rounds}; use at least 1")

    def _refuse_what_is_not_used(self) -> None:
        """Refuse settings that do nothing with this method.

        Raises:
            InputError: one of them is not at its default.
        """
        others = {
            name: f", or choose {' or '.join(methods)}"
            for name, methods in USED_BY.items()
            if self.method not in methods
        }
        if self.method == "reinforce":
            fixed = ", whose Adam has neither"
            others |= {"alpha_momentum": fixed, "alpha_weight_decay": fixed}
            if not self.time_weight:
                others["latency"] = " and search.time_weight=0"
        for name, way_out in others.items():
            found, default = getattr(self, name), getattr(SearchSettings, name)
            if found != default:
                raise InputError(
                    f"search.{name}: found {found!r}; leave it at {default!r} with "
                    f"search.method={self.method}{way_out}"
                )

    @property
    def augmentation(self) -> Augmentation:
        """How frames are varied before a step sees them."""
        return Augmentation(self.strip, self.flips)

    @property
    def moves_alphas(self) -> bool:
        """Whether the search has architecture parameters that it moves."""
        return self.method in ("proxyless", "reinforce")

    @property
    def makes_front(self) -> bool:
        """Whether the search predicts the best architecture for every time."""
        return self.method in CANDIDATES

    @property
    def trains_candidates(self) -> bool:
        """Whether each candidate is trained alone, and nothing beside them."""
        return self.method == "short_trainings"

    @property
    def needs_times(self) -> bool:
        """Whether the search has to know how long architectures take."""
        return self.makes_front or self.has_budget or self.time_weight > 0

    @property
    def has_budget(self) -> bool:
        """Whether the time of a frame is limited."""
        return self.budget_ms > 0 or self.budget_share > 0

    @property
    def budget_name(self) -> str:
        """The setting that limits the time of a frame."""
        return BUDGETS[self.budget_share > 0]


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
