"""Arrays of k-space as files store them: complex values, the order of axes, words.

Every reader of a format of k-space returns `FoundKspace`; what holds for all formats is
done once in `kspace_files.load_kspace`.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Complex, Shaped

from emrnas_jax.data.readers.kspace_header import Header
from emrnas_jax.errors import InputError

# Axes of k-space in the order of the package; those before the coils are joined.
AXES = ("slice", "frame", "coil", "row", "column")
# The axes of an array of two to four axes whose file says nothing.
USUAL = {
    2: ("row", "column"),
    3: ("frame", "row", "column"),
    4: ("frame", "coil", "row", "column"),
}
DECLARATIONS = ("kspace_convention", "kspace_norm", "kspace_axes")
# Fields of complex structures: h5py, MATLAB.
PARTS = (("r", "i"), ("real", "imag"))


class FoundKspace(NamedTuple):
    """The content of a file as it is stored; `convention` and `norm` may be empty.

    Attributes:
        kspace: samples; the axis of coils is absent where there is one coil.
        mask: stored mask, in the order of `kspace`; None if the file has none.
        convention: key of `kspace_conventions.CONVENTIONS`, or "".
        norm: key of `kspace_conventions.NORMS`, or "".
        from_scanner: whether the intensities are a scanner's, and mean nothing.
        coil_maps: maps of the coils, of one frame for all or of each; None if the file
            has none.
        acquired: True for the lines that the header says were acquired, zero frequency
            in the middle; None if no header says it.
        size: rows and columns of the image that the scanner keeps; None for all.
        warnings: a sentence for everything uncertain in the header or about where
            samples lie.
        header: the header that fits k-space; None without one.
        total: number of frames of the file where only some were read; 0 for all.
        stored: type, shape and axes of the stored array in words; may be empty.
    """

    kspace: Complex[np.ndarray, "frame *coil height width"]
    mask: Shaped[np.ndarray, "..."] | None
    convention: str = ""
    norm: str = ""
    from_scanner: bool = False
    coil_maps: Complex[np.ndarray, "_ coil height width"] | None = None
    acquired: Bool[np.ndarray, "#height #width"] | None = None
    size: tuple[int, int] | None = None
    warnings: tuple[str, ...] = ()
    header: Header | None = None
    total: int = 0
    stored: str = ""


def text_of(stored: Any) -> str:
    """Return a stored word, whether it is text, bytes, an array or a dataset."""
    value = stored[()] if hasattr(stored, "shape") else stored
    return value.decode() if isinstance(value, bytes) else str(value or "")


def in_words(
    name: str, shape: tuple[int, ...], dtype: np.dtype, axes: tuple[str, ...]
) -> str:
    """Describe a stored array."""
    kind = dtype.name if dtype.names is None else f"({', '.join(dtype.names)})"
    sizes = " x ".join(map(str, shape))
    return f"`{name}` {kind} {sizes}, the axes {','.join(axes)}"


def axes_of(
    shape: tuple[int, ...], dtype: np.dtype, names: str, path: Path
) -> tuple[str, ...]:
    """Return the names of the axes of stored k-space, in their order.

    Raises:
        InputError: the values are no k-space, or the axes are unknown or do not fit.
    """
    where = f"{path}: `kspace`"
    complex_values = is_complex(dtype)
    if not complex_values and (dtype.kind not in "fiu" or shape[-1:] != (2,)):
        raise InputError(
            f"{where}: expected complex values, or real and imaginary parts on a last "
            f"axis of 2, found {dtype} of the shape {shape}"
        )
    sizes = shape if complex_values else shape[:-1]
    if names:
        return require_axes(names, len(sizes), where)
    if len(sizes) not in USUAL or 0 in sizes:
        skm_tea = " (SKM-TEA's are slice,row,column,frame,coil)" * (len(sizes) == 5)
        raise InputError(
            f"{where}: expected the axes [frame, row, column] or [frame, coil, row, "
            f"column], found the shape {shape}; store it with these axes, or name them "
            f"with --kspace_axes{skm_tea}"
        )
    return USUAL[len(sizes)]


def require_axes(names: str, count: int, where: str) -> tuple[str, ...]:
    """Return declared names of axes as a tuple.

    Args:
        names: names of `AXES`, each at most once, separated by commas; rows and columns
            are needed.
        count: number of axes that there are.
        where: file and variable, for messages.

    Raises:
        InputError: a name is unknown or stands twice, or their number is another one.
    """
    found = tuple(name.strip() for name in names.split(","))
    fits = set(found) <= set(AXES) and {"row", "column"} <= set(found)
    if not fits or len(set(found)) != len(found):
        raise InputError(
            f"{where}: found the axes {names!r}; give each axis one of the names "
            f"{', '.join(AXES)}, such as row,column,coil"
        )
    if len(found) != count:
        raise InputError(
            f"{where}: found {count} axes, and kspace_axes={names} names {len(found)}"
        )
    return found


def arranged(
    values: Complex[np.ndarray, "..."], axes: tuple[str, ...]
) -> Complex[np.ndarray, "frame *coil height width"]:
    """Return k-space with its axes in the order of `AXES`; a single coil has none."""
    present = [name for name in AXES if name in axes]
    ordered = values.transpose([axes.index(name) for name in present])
    coils = ordered.shape[present.index("coil")] if "coil" in axes else 1
    coil = (coils,) if coils > 1 else ()
    return ordered.reshape(-1, *coil, *ordered.shape[-2:])


def arranged_mask(mask: np.ndarray | None, axes: tuple[str, ...]) -> np.ndarray | None:
    """Return a stored mask with its rows before its columns, as `arranged` has k-space.

    Args:
        mask: mask in the order of k-space; one of one axis, of lines, stays as it is.
        axes: names of the axes of k-space.
    """
    if mask is None or mask.ndim < 2 or axes.index("row") < axes.index("column"):
        return mask
    return mask.swapaxes(-1, -2)


def _parts(dtype: np.dtype) -> tuple[str, str] | None:
    return next((pair for pair in PARTS if set(dtype.names or ()) == set(pair)), None)


def joined(values: np.ndarray) -> Complex[np.ndarray, "..."]:
    """Return stored values, of a type that was checked, as complex ones."""
    if pair := _parts(values.dtype):
        values = values[pair[0]] + 1j * values[pair[1]]
    elif values.dtype.kind != "c":
        values = values[..., 0] + 1j * values[..., 1]
    return values


def is_complex(dtype: np.dtype) -> bool:
    """Return whether stored values are complex, or structures of two parts."""
    return dtype.kind == "c" or _parts(dtype) is not None


def slices_along(
    kspace: Complex[np.ndarray, "*axes"], axis: int
) -> Complex[np.ndarray, "*axes"]:
    """Return k-space transformed to image positions along one axis.

    Args:
        kspace: samples of volumes, measured whole along the axis, with the zero
            frequency and the image's origin in the middle.
        axis: the axis, mostly that of the readout.
    """
    shifted = np.fft.ifftshift(kspace, axis)
    image = np.fft.fftshift(np.fft.ifft(shifted, axis=axis, norm="ortho"), axis)
    return image.astype(np.complex64)
