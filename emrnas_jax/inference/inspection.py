"""What a file of scans holds, in words and as a picture, before it is reconstructed.

Of k-space the middle frame alone is looked at, or the next to it that is not empty. Of
formats that can be read in part no more is read, so that a volume of gigabytes takes no
longer than a slice; files of others are read once.
"""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Complex64, Float
from matplotlib.figure import Figure

from emrnas_jax.data.readers import kspace_files
from emrnas_jax.data.readers.kspace_files import Contents
from emrnas_jax.data.readers.kspace_header import Header
from emrnas_jax.data.readers.kspace_input import EmptyKspaceError
from emrnas_jax.data.readers.kspace_scan import read_kspace
from emrnas_jax.data.readers.recognition import SOURCES
from emrnas_jax.data.readers.scan import Reading, Scan
from emrnas_jax.inference.sampling_in_words import describe_mask, noise_level
from emrnas_jax.inference.scans import read_scan
from emrnas_jax.mri.calibration import calibration_region
from emrnas_jax.mri.espirit import SMALLEST_KERNEL
from emrnas_jax.reporting.figures.picture import blank, render

# Samples a side that coil maps need in the centre.
CALIBRATION = 2 * SMALLEST_KERNEL
DECADES = 4  # of k-space's magnitudes that are shown


class Inspection(NamedTuple):
    """What a file holds, and its middle frame.

    Attributes:
        facts: sentences by a word that names them, in the order to print.
        warnings: a sentence for everything uncertain.
        kspace: samples of the middle frame, zero frequency first, zero where not
            measured; those of an image where the file holds images.
        mask: True where they were measured.
    """

    facts: dict[str, str]
    warnings: tuple[str, ...]
    kspace: Complex64[np.ndarray, "coil height width"]
    mask: Bool[np.ndarray, "height width"]


def inspect_file(path: Path, how: Reading) -> Inspection:
    """Look into a file.

    Args:
        path: file of images or of k-space.
        how: the user's declarations about k-space.

    Raises:
        InputError: the file is damaged, of no known kind, or certainly not as it is
            declared; `reconstruct` would refuse it too.
    """
    size = f"{path.stat().st_size / 1e6:.3g} MB" if path.is_file() else ""
    if path.suffix == kspace_files.NPZ or kspace_files.takes(path):
        contents = kspace_files.look_into(path, how.axes)
        scan = _middle_frame(path, how, contents)
        kind = ", ".join(filter(None, (contents.format, contents.stored)))
        facts = {"format": f"k-space, {kind}, {size}"}
        facts["frames"] = _frames(contents.frames, scan)
        if contents.header is not None:
            facts["header"] = _header(contents.header)
        images = "complex"
    else:
        # What none takes is refused by `read_scan`, with what it holds.
        source = next((one for one in SOURCES if one.takes(path)), None)
        images = "magnitude"
        if source is not None and source.dtype == "complex64":
            images = "complex"
        scan = read_scan(path, dataclasses.replace(how, images=images))
        name = "" if source is None else f"{source.files}, "
        facts = {"format": f"images, {name}{size}"}
        facts["frames"] = _frames(len(scan.slices), scan)
    if scan.stored_as:
        facts["stored as"] = scan.stored_as
    kspace, mask = _middle(scan)
    facts["sampling"] = _sampling(scan, mask)
    noise = noise_level(kspace, mask)
    if noise is not None and images == "complex":
        facts["noise"] = (
            f"at most {noise:.2g} of the largest intensity, in the real and in the "
            "imaginary part"
        )
    facts["reconstruct"] = _outlook(scan, mask, images)
    return Inspection(facts, scan.warnings, kspace, mask)


def _middle_frame(path: Path, how: Reading, contents: Contents) -> Scan:
    """Read the frame of k-space next to the middle that is not empty.

    Raises:
        InputError: the file cannot be used, or all frames are empty.
    """
    # A file without frames is refused as it is by `reconstruct`.
    numbers = range(max(contents.frames, 1))
    middle, empty = contents.frames // 2, None
    for number in sorted(numbers, key=lambda number: abs(number - middle)):
        here = dataclasses.replace(how, images="complex", frames=str(number))
        try:
            scan = read_kspace(path, here, contents.whole)
        except EmptyKspaceError as error:
            empty = error
            continue
        if empty is None:
            return scan
        text = f"frame {middle} in the middle is empty, and frame {number} is shown"
        return scan._replace(warnings=(*scan.warnings, text))
    assert empty is not None
    raise empty


def _frames(count: int, scan: Scan) -> str:
    height, width = scan.shape
    several = scan.kspace is not None and scan.kspace.ndim == 4
    coils = f", {scan.values.shape[1]} coils" if several else ""
    return f"{count} of {height} x {width}{coils}"


def _header(header: Header) -> str:
    lines = header.lines[0]
    limits = ""
    if lines.maximum is not None and lines.centre is not None:
        limits = f" (0 to {lines.maximum}, zero frequency at {lines.centre})"
    slices = "" if header.slices is None else f", slices {header.slices}"
    return (
        f"readout {header.encoded[0]}, {header.encoded[1]} lines{limits}, image "
        f"{header.image[0]} x {header.image[1]}{slices}"
    )


def _middle(
    scan: Scan,
) -> tuple[
    Complex64[np.ndarray, "coil height width"], Bool[np.ndarray, "height width"]
]:
    """Return k-space and mask of the middle frame."""
    middle = len(scan.slices) // 2
    if scan.kspace is not None:
        kspace = scan.kspace[middle]
        kspace = kspace if kspace.ndim == 3 else kspace[None]
    else:
        image = scan.values[middle]
        if image.ndim == 3:
            image = image[..., 0] + 1j * image[..., 1]
        kspace = np.fft.fft2(image, norm="ortho").astype(np.complex64)[None]
    measured = scan.acquired if scan.mask is None else scan.mask
    own = np.ones((1, 1), bool) if measured is None else measured[middle]
    return kspace, np.broadcast_to(own, scan.shape)


def _sampling(scan: Scan, mask: Bool[np.ndarray, "height width"]) -> str:
    complete = scan.kspace is None or scan.target is not None
    if complete and scan.mask is None:
        return "complete" if scan.acquired is None else "complete where it was acquired"
    beside = "complete, with a mask beside it: " if complete else ""
    return beside + describe_mask(mask)


def _outlook(scan: Scan, mask: Bool[np.ndarray, "height width"], images: str) -> str:
    """Describe what `reconstruct` would do with a scan."""
    complete = scan.kspace is None or scan.target is not None
    action = "under-samples and scores it" if complete else "completes it"
    if scan.kspace is None or scan.kspace.ndim == 3:
        kinds = "magnitude or complex" if images == "complex" else "magnitude"
        return f"{action}, with tv or networks of {kinds} images of one coil"
    models = "sense, tv or networks of several coils"
    region = [part.stop - part.start for part in calibration_region(mask, mask.shape)]
    if scan.coil_maps is None and not complete and min(region) < CALIBRATION:
        return (
            f"refuses it: coil maps need {CALIBRATION} x {CALIBRATION} samples around "
            f"the zero frequency, and {region[0]} x {region[1]} were measured"
        )
    return f"{action}, with {models}"


def draw_inspection(found: Inspection, name: str) -> bytes:
    """Draw k-space, its mask and the zero-filled image of the middle frame as PNG."""
    magnitude = _root_sum_of_squares(found.kspace)
    logarithm = np.log10(np.maximum(magnitude / magnitude.max(), 10.0**-DECADES))
    image = np.fft.ifft2(np.where(found.mask, found.kspace, 0), norm="ortho")
    panels = (
        (f"k-space, {DECADES} decades", np.fft.fftshift(logarithm)),
        (f"measured, {found.mask.mean():.0%}", np.fft.fftshift(found.mask)),
        ("zero-filled", _root_sum_of_squares(image)),
    )
    figure = Figure(figsize=(10, 3.9), layout="constrained")
    figure.suptitle(name)
    for axes, (title, values) in zip(figure.subplots(1, 3), panels, strict=True):
        axes.imshow(values, cmap="gray", interpolation="nearest")
        axes.set_title(title)
        blank(axes)
    return render(figure)


def _root_sum_of_squares(
    coils: Complex64[np.ndarray, "coil height width"] | np.ndarray,
) -> Float[np.ndarray, "height width"]:
    return np.sqrt(np.sum(np.abs(coils) ** 2, axis=0))
