"""How far a training is, in lines: what the loop says where no progress bar is seen.

The first epoch of a phase has a line; later epochs have at most one a minute. Until the
first epoch is over, a line a minute tells the step instead.
"""

import time
from collections import deque
from statistics import median

from emrnas_jax.machine.progress import Clock, Pace, duration, say_without_bars

RECENT = 20  # calls whose median speed tells the time that is left

# What a line tells of the log's row of an epoch.
TOLD = {
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
            name: what every line begins with.
            steps: of the whole training.
            steps_per_epoch: of each epoch.
            step: how many of them are done already.
            clock: returns seconds.
        """
        self._name, self._steps, self._per_epoch = name, steps, steps_per_epoch
        self._clock, self._pace = clock, Pace(clock)
        self._step, self._at = step, clock()
        self._speeds: deque[float] = deque(maxlen=RECENT)  # seconds per step
        self._calls = 0  # of this epoch
        self._phase: str | None = None
        self._is_left_told = False

    def step_done(self, step: int) -> None:
        """Note that a call ended with `step`; say so if no epoch was said yet."""
        now = self._clock()
        self._speeds.append((now - self._at) / (step - self._step))
        self._step, self._at = step, now
        self._calls += 1
        is_first_epoch = self._phase is None and step % self._per_epoch
        if is_first_epoch and self._pace.is_due():
            speeds = list(self._speeds)
            if self._calls == len(speeds):
                speeds = speeds[1:]  # the first call compiles
            self._say(f"step {step} of {self._steps}", self._left(speeds))

    def epoch_done(self, epoch: int, row: dict) -> None:
        """Tell of an epoch, if a line is due.

        Args:
            epoch: its number, the first is 1.
            row: what the log says of it; its "phase" tells phases of a training apart.
        """
        if row.get("phase", "") != self._phase:
            self._phase, self._is_left_told = row.get("phase", ""), False
            # A phase has its own speed, and its first call compiles.
            own = min(self._calls - 1, RECENT)
            self._speeds = deque(list(self._speeds)[-own:] if own else [], RECENT)
        self._calls = 0
        if self._pace.is_due(urgent=not self._is_left_told):
            left = self._left(list(self._speeds))
            self._is_left_told = bool(left)
            place = f"epoch {epoch} of {self._steps // self._per_epoch}"
            if self._phase:
                place += f" ({self._phase})"
            told = [text.format(row[key]) for key, text in TOLD.items() if key in row]
            self._say(place, *told, left)

    def _left(self, speeds: list[float]) -> str:
        """Return how much time is left at these speeds; nothing where none is known."""
        if not speeds or self._step == self._steps:
            return ""
        seconds = median(speeds) * (self._steps - self._step)
        return f"about {duration(float(max(round(seconds), 1)))} left at this speed"

    def _say(self, *parts: str) -> None:
        say_without_bars("%s: %s", self._name, ", ".join(filter(None, parts)))
