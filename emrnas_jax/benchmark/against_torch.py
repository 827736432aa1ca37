# pyright: reportMissingImports=false
"""Our programs and PyTorch's, timed in turn once both were seen to compute the same.

Images must agree within 1e-4 (intensities are about [0, 1]); for a step, the loss
within 1e-4 and the first moments of Adam, which are the gradients with their decay,
within 1e-3 of the largest. With less precise arithmetic the bound is wider, and the
difference is reported.
"""

from collections.abc import Callable, Iterable
from itertools import cycle
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np
import optax
from jaxtyping import Array, PyTree

from emrnas_jax.benchmark.case import (
    PATHS,
    Case,
    batch_of,
    initial_weights,
    sampled_paths,
    search_state,
)
from emrnas_jax.benchmark.programs import Program
from emrnas_jax.errors import InputError
from emrnas_jax.machine.timing import median_ms
from emrnas_jax.models.emrnas import active_weights
from emrnas_jax.nas.gates import GATES, Gates
from emrnas_jax.training.retrain_steps import TrainState
from emrnas_jax.training.search_state import SearchState

# PyTorch is an optional dependency, and slow to import: functions import it, when a
# comparison is asked for.
if TYPE_CHECKING:
    from emrnas_jax.benchmark.pytorch.steps import Timed

# Largest difference of images, absolute; ten times that holds for gradients, relative.
BOUNDS = {"float32": 1e-4, "tf32": 2e-2, "bf16": 1e-1}

Run = Callable[[], Any]
# (PyTorch's variant) -> the largest difference, on the scale of `BOUNDS`.
Check = Callable[["Timed"], float]


class Sides(NamedTuple):
    """Medians of both sides.

    Attributes:
        ours_ms: milliseconds of our programs, in their order.
        theirs: fields for a row: times of PyTorch's variants, the best, the ratio.
    """

    ours_ms: list[float]
    theirs: dict[str, Any]


def require_equal(difference: float, precision: str, variant: str) -> None:
    """Check that both sides compute the same.

    Args:
        difference: largest difference between both sides.
        precision: precision of the arithmetic, a key of `BOUNDS`.
        variant: name of PyTorch's variant, for the message.

    Raises:
        InputError: the difference is above the bound, or not a number.
    """
    # Negated, because a comparison with NaN is always false.
    if not difference <= BOUNDS[precision]:
        raise InputError(
            f"PyTorch ({variant}) computes something else than our program: a "
            f"difference of {difference:.2g}, allowed {BOUNDS[precision]}; nothing "
            "was timed"
        )


def compare_reconstruction(case: Case, program: Program, repeats: int) -> Sides:
    """Time our reconstruction and PyTorch's.

    Args:
        case: network, precision and size of the batch.
        program: our reconstruction.
        repeats: number of timings whose median is taken.
    """
    from emrnas_jax.benchmark.pytorch import steps as torch_steps

    params, data = initial_weights(case), batch_of(case)
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
    """Time our training step of the fixed network and PyTorch's.

    Args:
        case: network, precision and size of the batch.
        program: our step, at its initial state.
        repeats: number of timings whose median is taken.
    """
    from emrnas_jax.benchmark.pytorch import steps as torch_steps

    params, data = initial_weights(case), batch_of(case)
    state: TrainState = program.run()
    loss = float(state.train_loss)
    # Taken now: the next run takes over the memory of this state.
    moments = jax.device_get(optax.tree.get(state.optimizer, "mu"))
    # A cell of the fixed network has one operation, the first of its list in PyTorch.
    path = [0] * len(case.architecture.cells)
    return _in_turn(
        case,
        [program.run],
        lambda variant: torch_steps.training_step(case, params, data, variant),
        lambda timed: _step_difference(timed, timed.run(), loss, moments, path),
        lambda timed: timed.run,
        repeats,
    )


def compare_weight_step(
    case: Case, program: Program, beside: Iterable[Run], repeats: int
) -> Sides:
    """Time our search's step of the weights and PyTorch's, on the same paths in turn.

    Args:
        case: architecture, precision and size of the batch.
        program: our step, at its initial state.
        beside: more of our runs, timed in turn with it.
        repeats: number of timings whose median is taken.
    """
    from emrnas_jax.benchmark.pytorch import steps as torch_steps

    data = batch_of(case)
    params = search_state(case).weights
    paths = sampled_paths(case)
    state: SearchState = program.run(paths[0])
    loss = float(state.train_loss)
    # The first path is the architecture's, so the active moments are the path's.
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
    """Time our search's step of alphas and PyTorch's, with the same gates in turn.

    Args:
        case: architecture, paths per cell, precision and size of the batch.
        program: our step, at its initial state.
        repeats: number of timings whose median is taken.
    """
    from emrnas_jax.benchmark.pytorch import steps as torch_steps

    data, start = batch_of(case), search_state(case)
    # Gates are random. PyTorch is given those that our step draws from the same keys.
    keys = [jax.random.key(number) for number in range(PATHS)]
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
        except Exception as error:  # noqa: BLE001 - a compiler may raise anything
            errors[variant.name] = f"{type(error).__name__}: {error}".splitlines()[0]
            continue
        require_equal(difference, case.precision, variant.name)
        runs[variant.name], differences[variant.name] = run_of(timed), difference
        for _ in range(PATHS if variant.compiled else 0):
            runs[variant.name]()  # a path with an operation not seen yet compiles it
    medians = median_ms([*own, *runs.values()], repeats)
    times = dict(zip(runs, medians[len(own) :], strict=True))
    torch_steps.release()
    return Sides(
        medians[: len(own)],
        ratio_fields(medians[0], times)
        | {
            "torch_errors": errors,
            "torch_difference": max(differences.values(), default=None),
            "torch": torch.__version__,
            "torch_device": torch_steps.device_name(),
            "torch_threads": torch.get_num_threads(),
        },
    )


def ratio_fields(own_ms: float, variants_ms: dict[str, float]) -> dict[str, Any]:
    """Return the fields of a row that compare our program with the fastest variant.

    Args:
        own_ms: time of our program, milliseconds.
        variants_ms: time of each variant of PyTorch; empty if all of them failed.
    """
    best = min(variants_ms, key=lambda name: variants_ms[name], default=None)
    return {
        "torch_ms": None if best is None else variants_ms[best],
        "torch_variant": best,
        "torch_ratio": None if best is None else own_ms / variants_ms[best],
        "torch_variants_ms": variants_ms,
    }


def _step_difference(
    timed: "Timed", loss: Any, expected: float, moments: PyTree, path: list[int]
) -> float:
    """Return the larger of the loss's and the gradients' difference, both relative."""
    assert timed.optimizer is not None
    gradient, error = 0.0, 0.0
    for convolution, own in timed.network.convolutions(moments, path):
        for name, value in own.items():
            state = timed.optimizer.state[getattr(convolution, name)]
            error = max(error, _largest(state["exp_avg"].cpu().numpy() - value))
            gradient = max(gradient, _largest(value))
    return max(abs(float(loss) / expected - 1), error / gradient / 10)


def _weight_moments(state: SearchState) -> PyTree:
    """Return Adam's first moments as one tree of the weights' form.

    The search's optimizer keeps stacked weights and the others apart: where one part
    has moments, the other has a masked node.
    """
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
