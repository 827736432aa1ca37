# pyright: reportMissingImports=false
"""Our programs and PyTorch's in turn, after both were seen to compute the same.

Images must agree within 1e-4 (intensities are about [0, 1]); for a step, the loss
within 1e-4 and the first moments of Adam, which are the gradients with their decay,
within 1e-3 of the largest. With less precise arithmetic the bound is wider, and the
difference is reported.
"""

import importlib.util
from collections.abc import Callable, Iterable
from itertools import cycle
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
import optax
from jaxtyping import Array, PyTree

from emrnas_jax.benchmark import jax_steps
from emrnas_jax.benchmark.jax_steps import Case
from emrnas_jax.benchmark.programs import Program, median_ms
from emrnas_jax.errors import InputError
from emrnas_jax.models.emrnas import active_weights
from emrnas_jax.nas.gates import GATES, Gates
from emrnas_jax.training.retrain_steps import TrainState
from emrnas_jax.training.search_state import SearchState

if TYPE_CHECKING:
    from emrnas_jax.benchmark.pytorch.steps import Timed

# Of images, absolute; of losses and gradients ten times that, relative.
BOUNDS = {"float32": 1e-4, "tf32": 2e-2, "bf16": 1e-1}

Run = Callable[[], Any]
# (variant's Timed) -> the largest difference, as a part of what the bound allows.
Check = Callable[["Timed"], float]


class Sides(NamedTuple):
    """Medians of both sides, milliseconds.

    Attributes:
        ours_ms: of our programs, in their order.
        theirs: what joins a row: times of PyTorch's variants, the best, the ratio.
    """

    ours_ms: list[float]
    theirs: dict[str, Any]


def require_torch() -> None:
    """Check that PyTorch can be imported.

    Raises:
        InputError: it is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        raise InputError(
            "--against=torch: PyTorch is not installed; "
            "python -m pip install 'emrnas-jax[bench]'"
        )


def require_equal(difference: float, precision: str, variant: str) -> None:
    """Check that both sides compute the same.

    Raises:
        InputError: they differ by more than `BOUNDS`, or by something not a number.
    """
    if not difference <= BOUNDS[precision]:
        raise InputError(
            f"PyTorch ({variant}) computes something else than our program: a "
            f"difference of {difference:.2g}, allowed {BOUNDS[precision]}; nothing "
            "was timed"
        )


def compare_reconstruction(case: Case, program: Program, repeats: int) -> Sides:
    """Time our reconstruction and PyTorch's."""
    from emrnas_jax.benchmark.pytorch import steps as torch_steps

    params, data = (
        jax_steps.initial_weights(case),
        jax_steps.phantom_batch(case.size, case.batch),
    )
    image = np.asarray(program.run())
    return _in_turn(
        case,
        [program.run],
        lambda variant: torch_steps.reconstruction(case, params, data, variant),
        lambda timed: _largest(timed.run().float().cpu().numpy() - image),
        lambda timed: timed.run,
        repeats,
    )


def compare_training_step(case: Case, program: Program, repeats: int) -> Sides:
    """Time our training step of the fixed network and PyTorch's."""
    from emrnas_jax.benchmark.pytorch import steps as torch_steps

    params, data = (
        jax_steps.initial_weights(case),
        jax_steps.phantom_batch(case.size, case.batch),
    )
    state: TrainState = program.run()
    loss = float(state.train_loss)
    moments = jax.device_get(optax.tree.get(state.optimizer, "mu"))
    zeros = [0] * len(case.architecture.cells)
    return _in_turn(
        case,
        [program.run],
        lambda variant: torch_steps.training_step(case, params, data, variant),
        lambda timed: _step_difference(timed, timed.run(), loss, moments, zeros),
        lambda timed: timed.run,
        repeats,
    )


def compare_weight_step(
    case: Case, program: Program, beside: Iterable[Run], repeats: int
) -> Sides:
    """Time our search's step of the weights and PyTorch's, on the same paths in turn.

    Args:
        case: what is measured.
        program: our step, at its initial state.
        beside: more of our runs, timed in turn with it.
        repeats: medians of so many.
    """
    from emrnas_jax.benchmark.pytorch import steps as torch_steps

    data = jax_steps.phantom_batch(case.size, case.batch)
    params = jax_steps.search_state(case).weights
    paths = jax_steps.sampled_paths(case)
    state: SearchState = program.run(paths[0])
    loss = float(state.train_loss)
    moments = active_weights(_weight_moments(state), case.architecture)
    moments, cells = jax.device_get(moments), case.architecture.cells
    return _in_turn(
        case,
        [_cycling(program.run, paths), *beside],
        lambda variant: torch_steps.weight_step(case, params, data, variant),
        lambda timed: _step_difference(
            timed, timed.run(paths[0]), loss, moments, list(cells)
        ),
        lambda timed: _cycling(timed.run, paths),
        repeats,
    )


def compare_alpha_step(case: Case, program: Program, repeats: int) -> Sides:
    """Time our search's step of alphas and PyTorch's, with the same gates in turn."""
    from emrnas_jax.benchmark.pytorch import steps as torch_steps

    data, start = (
        jax_steps.phantom_batch(case.size, case.batch),
        jax_steps.search_state(case),
    )
    keys = [jax.random.key(number) for number in range(jax_steps.PATHS)]
    gates = [_gates(case, key, start.alphas) for key in keys]
    state: SearchState = program.run(keys[0])
    loss = float(state.validation_loss)
    moments = np.asarray(optax.tree.get(state.alpha_optimizer, "mu"))

    def difference(timed: "Timed") -> float:
        found = abs(float(timed.run(gates[0])) / loss - 1)
        assert timed.optimizer is not None
        assert timed.alphas is not None
        own = timed.optimizer.state[timed.alphas]["exp_avg"].cpu().numpy()
        return max(found, _largest(own - moments) / _largest(moments) / 10)

    return _in_turn(
        case,
        [_cycling(program.run, keys)],
        lambda variant: torch_steps.alpha_step(case, start.weights, data, variant),
        difference,
        lambda timed: _cycling(timed.run, gates),
        repeats,
    )


def _in_turn(
    case: Case,
    own: list[Run],
    make: Callable[..., "Timed"],
    check: Check,
    run_of: Callable[["Timed"], Run],
    repeats: int,
) -> Sides:
    """Make every variant, check it, then time all sides in turn.

    A variant that fails to compile or to run is named with its error.
    """
    import torch

    from emrnas_jax.benchmark.pytorch import steps as torch_steps

    torch_steps.prepare()
    runs: dict[str, Run] = {}
    errors: dict[str, str] = {}
    differences: dict[str, float] = {}
    for variant in torch_steps.variants(case.precision):
        try:
            timed = make(variant)
            difference = check(timed)
        except Exception as error:  # noqa: BLE001 - of a compiler: it may be anything
            errors[variant.name] = f"{type(error).__name__}: {error}".splitlines()[0]
            continue
        require_equal(difference, case.precision, variant.name)
        runs[variant.name], differences[variant.name] = run_of(timed), difference
        for _ in range(jax_steps.PATHS if variant.compiled else 0):
            runs[variant.name]()  # a path with an operation not seen yet compiles it
    medians = median_ms([*own, *runs.values()], repeats)
    times = dict(zip(runs, medians[len(own) :], strict=True))
    best = min(times, key=lambda name: times[name], default=None)
    torch_steps.release()
    return Sides(
        medians[: len(own)],
        {
            "torch_ms": None if best is None else times[best],
            "torch_variant": best,
            "torch_ratio": None if best is None else medians[0] / times[best],
            "torch_variants_ms": times,
            "torch_errors": errors,
            "torch_difference": max(differences.values(), default=None),
            "torch": torch.__version__,
            "torch_device": torch_steps.device_name(),
            "torch_threads": torch.get_num_threads(),
        },
    )


def _step_difference(
    timed: "Timed", loss: Any, expected: float, moments: PyTree, path: list[int]
) -> float:
    from emrnas_jax.benchmark.pytorch.network import convolutions

    assert timed.optimizer is not None
    gradient, error = 0.0, 0.0
    for convolution, own in convolutions(timed.network, moments, path):
        for name, value in own.items():
            state = timed.optimizer.state[getattr(convolution, name)]
            error = max(error, _largest(state["exp_avg"].cpu().numpy() - value))
            gradient = max(gradient, _largest(value))
    return max(abs(float(loss) / expected - 1), error / gradient / 10)


def _weight_moments(state: SearchState) -> PyTree:
    """Adam's first moments as one tree of the weights' form."""
    found = optax.tree.get_all_with_path(state.weight_optimizer, "mu")
    return jax.tree.map(
        lambda a, b: b if isinstance(a, optax.MaskedNode) else a,
        *(moments for _, moments in found),
        is_leaf=lambda leaf: isinstance(leaf, optax.MaskedNode),
    )


def _gates(case: Case, key: Array, alphas: Array) -> Gates:
    return GATES[case.paths](key, alphas, "sample")


def _cycling(run: Callable[[Any], Any], values: list) -> Run:
    """Return a run that takes the next value at each call."""
    following = cycle(values)
    return lambda: run(next(following))


def _largest(array: Any) -> float:
    return float(np.abs(array).max())
