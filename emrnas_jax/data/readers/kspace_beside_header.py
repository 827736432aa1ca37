"""Fit k-space in HDF5 to the header that lies beside it, `ismrmrd_header`.

The header says which axis is the readout, which lines were acquired, and which part of
the image the scanner keeps. Files that programs have made again often keep a header of
the scan before: what certainly differs is corrected and said (axes swapped, padding
left out, another number of slices), and what cannot be is refused.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple
from xml.etree.ElementTree import ParseError

import numpy as np

from emrnas_jax.data.readers.kspace_arrays import FoundKspace, text_of
from emrnas_jax.data.readers.kspace_header import (
    Header,
    acquired_lines,
    image_size,
    parse_header,
)
from emrnas_jax.errors import InputError

NAME = "ismrmrd_header"
# Images of complete k-space in fastMRI's files, which have the size that is scored.
TARGETS = ("reconstruction_rss", "reconstruction_esc")
SWAPPED = {"row": "column", "column": "row"}


class Fit(NamedTuple):
    """K-space beside its header.

    Attributes:
        header: the header; None where there is none, or none that can be used.
        order: names of the axes of k-space, as the header has them.
        warnings: a sentence for everything that differs.
    """

    header: Header | None
    order: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def fit_header(
    file: Mapping[str, Any],
    order: tuple[str, ...],
    shape: tuple[int, ...],
    where: str,
    *,
    declared: bool,
) -> Fit:
    """Compare the header of a file with the shape of its k-space.

    Args:
        file: datasets by name.
        order: names of the axes of k-space.
        shape: sizes of these axes.
        where: file and variable, for messages.
        declared: whether the user, or the file, names the axes; they are believed then.

    Raises:
        InputError: the header is of k-space of another size.
    """
    if NAME not in file:
        return Fit(None, order)
    try:
        header = parse_header(text_of(file[NAME]))
    except (ParseError, ValueError) as error:
        return Fit(None, order, (f"`{NAME}` cannot be read ({error}) and is not used",))
    if header.encoded == (1, 1, 1):
        return Fit(None, order)
    sizes = dict(zip(order, shape, strict=False))
    found = sizes["row"], sizes["column"]
    readout, lines, _ = header.encoded
    expected = f"the header has a readout of {readout} and {lines} lines"
    warnings = _warn_of_frames(header, sizes)
    if _fits(header, *found):
        return Fit(header, order, warnings)
    if declared:
        text = f"{expected}, and k-space {found[0]} x {found[1]}; it is not used"
        return Fit(None, order, (text,))
    if _fits(header, *found[::-1]):
        turned = tuple(SWAPPED.get(name, name) for name in order)
        text = (
            f"{expected}, and k-space {found[0]} x {found[1]}, so its last two axes "
            "are taken as column,row; --kspace_axes says otherwise"
        )
        return Fit(header, turned, (text, *warnings))
    raise InputError(
        f"{where}: {expected}, and k-space has {found[0]} rows and {found[1]} columns; "
        f"store k-space as it was measured, or to leave the header out, name the axes "
        f"with --kspace_axes={','.join(order)}"
    )


def _fits(header: Header, rows: int, columns: int) -> bool:
    """Return whether rows are the readout, whole or cut, and columns the lines."""
    samples, lines, _ = header.encoded
    maximum = header.lines[0].maximum
    acquired = lines if maximum is None else maximum + 1
    return rows in (samples, header.readout, header.image[0]) and columns in (
        lines,
        acquired,
    )


def _warn_of_frames(header: Header, sizes: Mapping[str, int]) -> tuple[str, ...]:
    """Warn where the file has another number of slices than the header."""
    found = sizes.get("slice", 1) * sizes.get("frame", 1)
    # Volumes are counted by planes, which programs store as they like.
    if header.slices is None or header.encoded[2] > 1:
        return ()
    if found in (1, header.slices, header.frames):
        return ()
    return (
        f"the header has {header.slices} slices, and the file {found}, which are taken "
        "as they are",
    )


def with_header(
    found: FoundKspace, header: Header | None, file: Mapping[str, Any], *, swapped: bool
) -> FoundKspace:
    """Return k-space with what the header, or a complete image beside it, says of it.

    Lines that were stored without their padding are laid at their place.

    Args:
        found: k-space, rows along the readout, zero frequency in the middle.
        header: header that fits it; None without one.
        file: datasets by name.
        swapped: whether the file has rows and columns in the other order.
    """
    size = _target_size(file)
    if size is not None and swapped:
        size = size[::-1]
    warnings = ()
    if header is not None:
        if size is None and found.kspace.shape[-2] == header.encoded[0]:
            size = image_size(header)[:2]
        try:
            lines = acquired_lines(header)
            found = _laid(found, lines)._replace(acquired=lines[None])
        except ValueError as error:
            warnings = (f"{error}; what it says of them is not used",)
    if size is not None:
        whole = found.kspace.shape[-2:]
        # One file of fastMRI's is narrower than the size that is scored.
        size = min(size[0], whole[0]), min(size[1], whole[1])
        size = None if size == whole else size
    return found._replace(size=size, warnings=(*found.warnings, *warnings))


def _target_size(file: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the size of the complete images beside k-space, None without them."""
    shapes = [file[name].shape for name in TARGETS if name in file]
    return tuple(shapes[0][-2:]) if shapes and len(shapes[0]) >= 2 else None


def _laid(found: FoundKspace, lines: np.ndarray) -> FoundKspace:
    """Lay acquired lines that are stored alone at their place.

    Raises:
        ValueError: there are others than the header says.
    """
    count = found.kspace.shape[-1]
    if count == len(lines):
        return found
    if count != np.count_nonzero(lines):
        raise ValueError(
            f"the header has {np.count_nonzero(lines)} lines of {len(lines)}, and the "
            f"file {count}"
        )

    def lay(values: np.ndarray) -> np.ndarray:
        wide = np.zeros((*values.shape[:-1], len(lines)), values.dtype)
        wide[..., lines] = values
        return wide

    mask = found.mask
    if mask is not None and mask.shape[-1:] == (count,):
        mask = lay(mask)
    text = (
        f"the header has {len(lines)} lines, and the file the {count} that were "
        f"acquired; they are laid at lines {lines.argmax()} to "
        f"{lines.argmax() + count - 1}"
    )
    return found._replace(
        kspace=lay(found.kspace), mask=mask, warnings=(*found.warnings, text)
    )
