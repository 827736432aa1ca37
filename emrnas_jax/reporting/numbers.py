"""Numbers as a report writes them: decimals, signs, percentages and counts."""

import math
from typing import NamedTuple


class Shown(NamedTuple):
    """A measure as a report shows it.

    Attributes:
        title: name with the unit.
        digits: decimals.
    """

    title: str
    digits: int


# Finer than the spread over folds; more digits would claim a precision that is not had.
# By the names of the columns of a table of scores.
MEASURES = {"psnr_db": Shown("PSNR (dB)", 2), "ssim": Shown("SSIM", 4)}


def counted(count: int, noun: str) -> str:
    """Return `count` with its noun, such as `1 run` and `1,200 runs`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def number(value: float | None, digits: int) -> str:
    """Return `value` with a true minus sign, or a dash where there is no number.

    Args:
        value: a number; None and NaN are none.
        digits: decimals.
    """
    # "nan" in a table would read as a fault of the report.
    if value is None or math.isnan(value):
        return "–"
    # A hyphen is shorter than a plus sign, and a line may break after it.
    return f"{value:.{digits}f}".replace("-", "−")


def signed(value: float, digits: int) -> str:
    """Return `number` of a difference, with a plus sign where it is not negative."""
    return "–" if math.isnan(value) else f"{value:+.{digits}f}".replace("-", "−")


def percent(fraction: float) -> str:
    """Return `fraction` in percent with at most one decimal, such as `15 %`."""
    # The space does not break, so the sign never begins a line.
    return f"{100 * fraction:.1f}".removesuffix(".0") + "\u00a0%"
