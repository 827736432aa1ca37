"""Progress of a run: bars, or whole lines where nobody would see a bar.

A terminal and a notebook show bars. The log of a cluster's job, a pipe or `nohup` gets
a line now and then instead, through the package's logger. Of several processes, the
first one alone prints.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from emrnas_jax.machine import processes

LOG = logging.getLogger("emrnas_jax")
# A log of a night's training then has a few hundred lines, and `tail` shows a live one.
SECONDS_BETWEEN_LINES = 60.0

Item = TypeVar("Item")
Result = TypeVar("Result")
Clock = Callable[[], float]  # returns seconds


def say_without_bars(message: str, *arguments: object) -> None:
    """Log a line where no bar is seen; it would tear a bar, which shows the same.

    Args:
        message: format string of `logging`, with a `%` field for each argument.
        arguments: values of the fields.
    """
    if not processes.bars_are_seen():
        LOG.info(message, *arguments)


def counted(
    items: Iterable[Item],
    total: int,
    name: str,
    what: str,
    done: int = 0,
    clock: Clock = time.monotonic,
) -> Iterator[Item]:
    """Yield items with a progress bar, or with a line a minute where none is seen.

    Args:
        items: items that are still to be done.
        total: number of all items, with those that are done already.
        name: first words of the bar and of every line.
        what: last words of the count in a line, such as "parts read".
        done: number of items that are done already.
        clock: function that returns seconds.
    """
    start, pace = clock(), Pace(clock)
    with processes.progress_bar(items, total=total, initial=done, desc=name) as bar:
        for number, item in enumerate(bar, 1):
            yield item
            if done + number < total and pace.is_due():
                # From the items of this start alone: an earlier one may have been on a
                # faster machine.
                left = (clock() - start) / number * (total - done - number)
                say_without_bars(
                    "%s: %d of %d %s, about %s left",
                    name,
                    done + number,
                    total,
                    what,
                    duration(left),
                )


class Pace:
    """Keeps lines apart: one is due when the last is a minute old."""

    def __init__(
        self,
        clock: Clock = time.monotonic,
        seconds: float = SECONDS_BETWEEN_LINES,
    ) -> None:
        """Begin to wait for the first line.

        Args:
            clock: function that returns seconds.
            seconds: time from one line to the next.
        """
        self._clock, self._seconds = clock, seconds
        self._last = clock()

    def is_due(self, *, urgent: bool = False) -> bool:
        """Return whether a line is due; the next one is then due a minute later.

        Args:
            urgent: whether the line need not wait for the minute.
        """
        now = self._clock()
        if not urgent and now - self._last < self._seconds:
            return False
        self._last = now
        return True


def duration(seconds: float) -> str:
    """Return a duration as a person says it: 4.2 s, 75 s, 12 min, 2 h 5 min, 1 d 3 h.

    Args:
        seconds: the duration.
    """
    # The limits are where rounding would write 10.0 s or 100 s.
    if seconds < 9.95:
        return f"{round(seconds, 1):g} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if not hours:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h {minutes} min"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{days} d {hours} h"


def said_at_first_call(
    message: str, program: Callable[..., Result]
) -> Callable[..., Result]:
    """Return a program that logs a line before its first call, which compiles it.

    Args:
        message: the line.
        program: program that is compiled when it is first called.
    """
    said = False

    def call(*arguments: object) -> Result:
        nonlocal said
        if not said:
            said = True
            say_without_bars(message)
        return program(*arguments)

    return call
