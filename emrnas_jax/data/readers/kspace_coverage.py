"""The part of k-space that a scan covers, where that is not all of it.

Zero padding, the open side of partial Fourier and the corners of an elliptical scan
hold zeros. They are no samples that a network should restore, and were not measured
either: masks leave them out, and k-space that has all the others is complete. A header
states the covered part, or the zeros show an ellipse.

Source: `apply_mask` of fastMRI, whose `padding` sets the mask to zero.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from emrnas_jax.data.readers.kspace_masks import Masks

# Least part of the samples whose being zero, or not, an ellipse explains.
ELLIPSE = 0.97
# Samples inside an ellipse that may be zero, by chance or rounding.
HOLES = 0.01
# Padding leaves as many lines on either side, but for rounding; partial Fourier does
# not.
UNEVEN = 2


class Coverage(NamedTuple):
    """The part of k-space that was acquired.

    Attributes:
        acquired: True where it was, [1, row, column], zero frequency first; None where
            that is everywhere.
        words: description for the line of a file; empty where it is everywhere.
        warnings: a sentence for what is uncertain, or changes the images.
    """

    acquired: Masks | None = None
    words: str = ""
    warnings: tuple[str, ...] = ()


def find_coverage(
    stated: Bool[np.ndarray, "#height #width"] | None, present: Masks
) -> Coverage:
    """Return the part of k-space that a scan covers.

    Args:
        stated: True where the header says that lines were acquired, zero frequency
            first; None without a header.
        present: True where k-space is not zero.
    """
    if stated is not None and not stated.all():
        if np.any(present & ~stated):
            return Coverage(warnings=(_contradiction(stated, present),))
        return _in_words(stated)
    # Of all frames: one that is nearly empty has more zeros.
    together = np.any(present, axis=0)
    if not _is_elliptical(together, present):
        return Coverage()
    return Coverage(
        together[None],
        f"elliptical coverage, its corners ({1 - together.mean():.0%}) empty",
    )


def _contradiction(stated: Bool[np.ndarray, "#height #width"], present: Masks) -> str:
    """Return a warning where k-space has values that the header says are padding."""
    both = np.broadcast_arrays(stated[None], present)
    told, found = (np.fft.fftshift(np.any(mask, axis=0)) for mask in both)
    for axis, name in enumerate(("rows", "columns")):
        lines, held = (np.any(mask, axis=1 - axis) for mask in (told, found))
        if not np.any(held & ~lines):
            continue
        own, other = np.flatnonzero(lines), np.flatnonzero(held)
        return (
            f"the header says that {name} {own[0]} to {own[-1]} of {len(lines)} were "
            f"acquired, and {name} {other[0]} to {other[-1]} are not zero; what it "
            "says of them is not used"
        )
    # Acquired lines of two axes are a rectangle, so values lie outside along one.
    raise AssertionError(stated.shape)


def _in_words(stated: Bool[np.ndarray, "#height #width"]) -> Coverage:
    """Describe the lines that a header states."""
    words, warnings = [], []
    for axis, name in enumerate(("rows", "columns")):
        lines = np.fft.fftshift(np.any(stated, axis=1 - axis))
        if lines.all():
            continue
        before, after = int(lines.argmax()), int(lines[::-1].argmax())
        count, middle = len(lines), len(lines) // 2
        below, above = middle - before, count - after - middle
        # Of an even number of lines one more lies below the zero frequency.
        if abs(below - above) <= UNEVEN:
            words.append(f"zero padding of {before} + {after} of {count} {name}")
            continue
        words.append(f"partial Fourier, {lines.sum()} of {count} {name}")
        warnings.append(
            f"partial Fourier: of {count} {name} the header has {lines.sum()}, "
            f"{below} below the zero frequency and {above} from it on; the others are "
            "left at zero, so complete images are a little blurred along this axis"
        )
    return Coverage(stated[None], ", ".join(words), tuple(warnings))


def _is_elliptical(together: Bool[np.ndarray, "height width"], present: Masks) -> bool:
    """Return whether k-space is empty in its corners, and nowhere else.

    Args:
        together: True where any frame is not zero, zero frequency first.
        present: the same for each frame.
    """
    if min(together.shape) < 8:
        return False
    centred = np.fft.fftshift(together)
    part = float(centred.mean())
    # Corners are a fifth of a rectangle; where less is empty, or much more, it is not
    # for them.
    if not 0.4 < part < 0.95:
        return False
    # A mask that leaves samples out has holes, in each frame or in all together.
    whole = float(np.median(present.mean(axis=(1, 2)))) >= (1 - HOLES) * part
    return whole and any(_explained(centred, offset) for offset in (0.0, 0.5))


def _explained(centred: Bool[np.ndarray, "height width"], offset: float) -> bool:
    """Return whether samples fill an ellipse, and lie nowhere else.

    Args:
        centred: True where a sample is not zero, zero frequency in the middle.
        offset: distance of the middle of the ellipse from the zero frequency, samples.
    """
    squares = []
    for axis in (0, 1):
        size = centred.shape[axis]
        lines = np.flatnonzero(centred.any(axis=1 - axis))
        middle = size // 2 - offset
        half = max(middle - lines[0], lines[-1] - middle, 1.0)
        squares.append(((np.arange(size) - middle) / half) ** 2)
    distance = np.sqrt(squares[0][:, None] + squares[1])
    # The ellipse of as many samples: it may be cut off at the border.
    edge = np.quantile(distance, centred.mean())
    agreed = np.mean(centred == (distance <= edge))
    holes = np.mean(~centred[distance < 0.95 * edge])
    return bool(agreed >= ELLIPSE and holes <= HOLES)
