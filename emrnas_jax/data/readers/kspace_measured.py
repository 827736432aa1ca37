"""The measured samples of a file of k-space, and whether any are missing.

Where a file has no mask, the lines (or samples) that are not exactly zero were
measured. What a scan does not cover, such as zero padding, is neither measured nor
missing (`kspace_coverage`).
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Complex64

from emrnas_jax.data.readers.given_masks import given_masks
from emrnas_jax.data.readers.kspace_coverage import Coverage, find_coverage
from emrnas_jax.data.readers.kspace_files import StoredKspace
from emrnas_jax.data.readers.kspace_input import frame_masks
from emrnas_jax.data.readers.kspace_masks import (
    Masks,
    measured_mask,
    narrow,
    nonzero_mask,
    sample_warnings,
    zero_warnings,
)
from emrnas_jax.data.readers.mask_checks import require_centre
from emrnas_jax.data.readers.scan import Reading


class Measured(NamedTuple):
    """The frames of a file with content, and their measured samples.

    Attributes:
        kspace: samples, zero where not measured.
        mask: True where k-space was measured, or shall be; None where that is open.
        mask_source: origin of the mask in words.
        complete: whether nothing of k-space is missing.
        coverage: the part of k-space that was acquired.
        warnings: a sentence for everything uncertain about the mask.
    """

    kspace: Complex64[np.ndarray, "frame *coil height width"]
    mask: Masks | None
    mask_source: str
    complete: bool
    coverage: Coverage
    warnings: list[str]


def measured_samples(
    path: Path,
    stored: StoredKspace,
    filled: Bool[np.ndarray, " stored_frame"],
    how: Reading,
) -> Measured:
    """Return the measured samples of the frames with content."""
    kspace = stored.plain.values[filled]
    present = nonzero_mask(kspace)
    mask, source = _declared_mask(path, stored, present, filled, how)
    warnings = [] if mask is None else require_centre(mask, f"{path}: {source}")
    # A mask that is an ellipse itself says that its corners are missing.
    explained = mask is not None and np.array_equal(mask.any(0), present.any(0))
    if stored.acquired is None and explained:
        coverage = Coverage()
    else:
        coverage = find_coverage(stored.acquired, present)
    warnings += coverage.warnings
    covered = True if coverage.acquired is None else coverage.acquired
    if mask is not None and covered is not True:
        # A mask of ones where k-space was acquired leaves nothing out.
        mask = None if np.all(mask | ~covered) else narrow(mask & covered)
        source = "complete" if mask is None else source
    if how.fully_sampled or np.all(present | ~np.asarray(covered)):
        # Complete k-space keeps its mask: under-sampling it again shall give the same.
        return Measured(kspace, mask, source, True, coverage, warnings)
    if mask is None:
        mask, source = present, "mask from its zeros"
        warnings += sample_warnings(present)
        warnings += require_centre(mask, f"{path}: {source}")
    else:
        marked, mask = mask, measured_mask(mask, present, f"{path}: {source}")
        warnings += zero_warnings(marked, mask)
    beside = mask[:, None] if kspace.ndim == 4 else mask
    return Measured(
        np.where(beside, kspace, 0), mask, source, False, coverage, warnings
    )


def _declared_mask(
    path: Path,
    stored: StoredKspace,
    present: Masks,
    filled: Bool[np.ndarray, " stored_frame"],
    how: Reading,
) -> tuple[Masks | None, str]:
    """Return the mask of the user, else of the file, and its origin in words.

    Args:
        path: file of k-space.
        stored: all frames of the file.
        present: True where the frames with content are not zero.
        filled: True for the frames with content.
        how: the user's declarations.

    Returns:
        Masks of the frames with content, None where they leave nothing out.
    """
    frames, *_, height, width = stored.plain.values.shape
    shape = (frames, height, width)
    if how.masks is not None:
        source = "mask given"
        mask = given_masks(how.masks, shape, present, how.phase_encode, str(path))
    elif stored.mask is None:
        return None, "complete"
    else:
        source, where = "mask from the file", f"{path}: `mask`"
        mask = frame_masks(stored.mask, shape, present, how.phase_encode, where)
    mask = mask[filled]
    # A mask of ones says no more than complete k-space does.
    return (None, "complete") if mask.all() else (mask, source)
