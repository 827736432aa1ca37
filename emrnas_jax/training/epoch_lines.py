"""Lines that say how far a training is, for logs in which no progress bar is seen.

The first epoch of a phase has a line; later epochs have at most one a minute. Until the
first epoch is over, a line a minute has the step instead.
"""

import time
from collections import deque
from statistics import median

from emrnas_jax.machine.progress import Clock, Pace, duration, say_without_bars

RECENT = 20  # calls whose median speed predicts the time that is left

# Values of an epoch's record that a line has, with their words.
SHOWN = {
    "train_loss": "training loss {:.3g}",
    "validation_loss": "validation loss {:.3g}",
    "train_psnr_db": "training PSNR {:.2f} dB",
}


class EpochLines:
    """Says now and then how far one training is."""

    def __init__(
        self,
        name: str,
        steps: int,
        steps_per_epoch: int,
        step: int = 0,
        clock: Clock = time.monotonic,
    ) -> None:
        """Begin where the training begins.

        Args:
            name: name of the training, with which every line begins.
            steps: number of steps of the whole training.
            steps_per_epoch: number of steps of each epoch.
            step: number of steps that are done already.
            clock: function that returns seconds.
        """
        self._name, self._steps, self._per_epoch = name, steps, steps_per_epoch
        self._clock, self._pace = clock, Pace(clock)
        self._step, self._at = step, clock()
        self._speeds: deque[float] = deque(maxlen=RECENT)  # seconds per step
        self._calls = 0  # of this epoch
        self._phase: str | None = None
        self._is_left_said = False

    def step_done(self, step: int) -> None:
        """Note that a call ended with `step`; say so if no epoch was said yet."""
        now = self._clock()
        self._speeds.append((now - self._at) / (step - self._step))
        self._step, self._at = step, now
        self._calls += 1
        # The last step of the first epoch is left to the line of the epoch.
        is_first_epoch = self._phase is None and step % self._per_epoch
        if is_first_epoch and self._pace.is_due():
            speeds = list(self._speeds)
            if self._calls == len(speeds):
                speeds = speeds[1:]  # the first call compiles
            self._say(f"step {step} of {self._steps}", self._left(speeds))

    def epoch_done(self, epoch: int, record: dict) -> None:
        """Say that an epoch is done, if a line is due.

        Args:
            epoch: number of the epoch; the first is 1.
            record: the log's record of the epoch, whose "phase" names the phase.
        """
        if record.get("phase", "") != self._phase:
            self._phase, self._is_left_said = record.get("phase", ""), False
            # A phase has its own speed, and its first call compiles.
            own = min(self._calls - 1, RECENT)
            self._speeds = deque(list(self._speeds)[-own:] if own else [], RECENT)
        self._calls = 0
        if self._pace.is_due(urgent=not self._is_left_said):
            left = self._left(list(self._speeds))
            self._is_left_said = bool(left)
            where = f"epoch {epoch} of {-(-self._steps // self._per_epoch)}"
            if self._phase:
                where += f" ({self._phase})"
            values = [
                text.format(record[key]) for key, text in SHOWN.items() if key in record
            ]
            self._say(where, *values, left)

    def _left(self, speeds: list[float]) -> str:
        """Return the time that is left at these speeds; empty where none is known."""
        if not speeds or self._step == self._steps:
            return ""
        # The median: a call that waits for a checkpoint or the disk says nothing.
        seconds = median(speeds) * (self._steps - self._step)
        # At least a second: "about 0 s" would read as finished.
        return f"about {duration(float(max(round(seconds), 1)))} left at this speed"

    def _say(self, *parts: str) -> None:
        say_without_bars("%s: %s", self._name, ", ".join(filter(None, parts)))
