"""The loop around the compiled steps: progress, log, checkpoints, stopping.

Search and retraining run in it alike. One call of a compiled program covers a few steps
of one epoch. The results do not depend on where a run was stopped: what a step does
follows from its number, the state and the seed.
"""

import contextlib
import logging
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import PyTree

from emrnas_jax.errors import InputError
from emrnas_jax.machine import processes
from emrnas_jax.machine.devices import put
from emrnas_jax.runs.checkpoints import Checkpoints
from emrnas_jax.runs.folder import TrainingFolder
from emrnas_jax.runs.metrics_log import RunLog
from emrnas_jax.training.epoch_lines import EpochLines
from emrnas_jax.training.setting_checks import require_rates

LOG = logging.getLogger("emrnas_jax")


class DivergedError(InputError):
    """The loss, or the weights that its gradient moved, are not finite any more."""


class Training(NamedTuple):
    """One training, as the loop sees it.

    Attributes:
        name: name in the progress bar and every line.
        folder: folder of `metrics.jsonl` and `checkpoints/`.
        identity: settings that a checkpoint must have to be continued.
        steps: number of steps of the whole training.
        steps_per_epoch: steps after which the log gets a record.
        run_steps: (state, first step, count) -> state; the state has `step`.
        sums: names of the state's fields that add up over an epoch.
        epoch_record: (state, epoch, steps of the epoch) -> the log's record of a
            finished epoch. The last one may have fewer steps than the others.
        at_once: (first step, most) -> number of steps that one call may have, `most`
            at the most; all unless given.
    """

    name: str
    folder: Path
    identity: dict
    steps: int
    steps_per_epoch: int
    run_steps: Callable[[Any, int, int], Any]
    sums: tuple[str, ...]
    epoch_record: Callable[[Any, int, int], dict]
    at_once: Callable[[int, int], int] = lambda _, most: most


@dataclass(frozen=True)
class LoopSettings:
    """The config section `loop`; nothing here changes a result.

    Attributes:
        steps_per_dispatch: steps that the host hands over at once.
        checkpoint_seconds: the longest time between two checkpoints.
        device_mib: data sets larger than this many MiB are streamed to the device.
    """

    steps_per_dispatch: int = 10
    checkpoint_seconds: float = 60.0
    device_mib: float = 4096.0

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            InputError: a value is outside its range.
        """
        if self.steps_per_dispatch < 1:
            raise InputError("loop.steps_per_dispatch: must be at least 1")
        require_rates("loop", self, "checkpoint_seconds", "device_mib")


def run(
    training: Training,
    state: Any,
    settings: LoopSettings,
    termination: "TerminationRequest | None" = None,
) -> Any:
    """Run a training to its end, from its newest checkpoint if there is one.

    Args:
        training: the steps, and where they are kept.
        state: the state at step 0, on the devices where it is to be.
        settings: number of steps of a call, and seconds between checkpoints.
        termination: request to stop; signals to this process unless given.

    Raises:
        DivergedError: the loss or a weight is not finite; the last good checkpoint is
            kept.
        SystemExit: it was asked to stop, and the state was saved.
    """
    folder = TrainingFolder(training.folder).checkpoints
    with contextlib.closing(Checkpoints(folder, training.identity)) as checkpoints:
        restored = checkpoints.restore(state)
        if restored is not None:
            state = _placed_like(state, restored)  # else compiled anew
            _say_continuation(training, int(state.step))
        with contextlib.ExitStack() as stack:
            if termination is None:
                termination = stack.enter_context(TerminationRequest())
            return _run_from(state, training, settings, checkpoints, termination)


def _run_from(
    state: Any,
    training: Training,
    settings: LoopSettings,
    checkpoints: Checkpoints,
    termination: "TerminationRequest",
) -> Any:
    step = int(state.step)
    saved_at = epoch_start = time.monotonic()
    bar = processes.progress_bar(total=training.steps, initial=step, desc=training.name)
    lines = EpochLines(training.name, training.steps, training.steps_per_epoch, step)
    folder = TrainingFolder(training.folder)
    with contextlib.closing(RunLog(folder, step)) as log, bar:
        while step < training.steps:
            done = step % training.steps_per_epoch  # of this epoch
            left = min(training.steps_per_epoch - done, training.steps - step)
            most = min(settings.steps_per_dispatch, left)  # a call ends with its epoch
            count = training.at_once(step, most)
            state = training.run_steps(state, step, count)
            # Waits for the steps: the host is never more than one call ahead.
            totals = {name: np.asarray(getattr(state, name)) for name in training.sums}
            if not _is_finite(totals):
                raise DivergedError(_diverged(training, step, count, checkpoints))
            step += count
            bar.update(count)
            lines.step_done(step)
            if count == left:
                now = time.monotonic()
                seconds, epoch_start = now - epoch_start, now
                epoch = -(-step // training.steps_per_epoch)
                record = training.epoch_record(state, epoch, done + count)
                log.write({**record, "step": step, "seconds": round(seconds, 3)})
                lines.epoch_done(epoch, record)
                sums = {name: getattr(state, name) for name in training.sums}
                # Placed like before: another placement would compile a program anew.
                zeros = jax.tree.map(np.zeros_like, totals)
                state = state._replace(**_placed_like(sums, zeros))
            # Clocks differ and a signal may reach one process alone, but all processes
            # must save the same step together.
            due, requested = processes.largest(
                time.monotonic() - saved_at >= settings.checkpoint_seconds,
                termination.requested,
            )
            if due or step == training.steps or requested:
                # A finite loss may have a gradient that is not, seen a step later.
                if not _is_finite(state):
                    raise DivergedError(
                        _diverged(training, step - count, count, checkpoints)
                    )
                checkpoints.save(step, state)
                saved_at = time.monotonic()
            if requested:
                reason = termination.reason or signal.Signals(requested).name
                LOG.warning("%s: saved step %d of %s", reason, step, training.name)
                raise SystemExit(128 + int(requested))  # as a shell reports a signal
    return state


def _say_continuation(training: Training, step: int) -> None:
    name, steps = training.name, training.steps
    if step < steps:
        LOG.info("%s: continues at step %d of %d", name, step, steps)
    else:
        LOG.info("%s: all %d steps were done before", name, steps)


def _placed_like(old: PyTree, new: PyTree) -> Any:
    """Put arrays on the devices of the arrays that they replace."""
    return jax.tree.map(lambda a, b: put(b, a.sharding), old, new)


def _is_finite(tree: PyTree) -> bool:
    return all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(tree))


def _diverged(
    training: Training, step: int, count: int, checkpoints: Checkpoints
) -> str:
    latest, folder = checkpoints.latest(), TrainingFolder(training.folder)
    kept = (
        "there is no checkpoint before it"
        if latest is None
        else f"the checkpoint of step {latest} is kept in {folder.checkpoints}"
    )
    return (
        f"{training.name}: the loss or its gradient is not finite in steps {step + 1} "
        f"to {step + count}; {kept}. Lower the learning rate, or check the data for "
        "values far above 1, and start in a new work folder"
    )


class TerminationRequest:
    """Within it, SIGTERM (a cluster's notice) and Ctrl-C are noted, to stop in order.

    A second one does what it always does. The handlers can only be set in the main
    thread; elsewhere, in a notebook's worker for example, nothing is changed.
    """

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        """Prepare; nothing is requested yet."""
        self.requested = 0  # the signal's number
        self.reason = ""
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "TerminationRequest":
        """Start noting."""
        with contextlib.suppress(ValueError):  # not the main thread
            for number in self.SIGNALS:
                self._previous[number] = signal.signal(number, self._note)
        return self

    def stop(self, reason: str) -> None:
        """Ask to stop as SIGTERM does, for another reason."""
        self.reason = self.reason or reason
        self.requested = self.requested or signal.SIGTERM  # the first counts

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.requested = number
        self.reason = signal.Signals(number).name
        self._restore()  # so that a second signal ends the process at once

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the signals back their meaning."""
        self._restore()
