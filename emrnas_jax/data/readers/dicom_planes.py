"""The images of DICOM files and their places, before they are a volume.

Single images, multi-frame files and enhanced files say the same in different places.
What is no magnitude image, or is stored in a way that cannot be read, is refused by
name.

Source: DICOM PS3.3, C.7.6.2 (planes), C.7.6.16 (functional groups), C.8.13.3 (complex
image components); PS3.5, A.4.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32

from emrnas_jax.data.readers.dicom_library import require_pydicom
from emrnas_jax.data.readers.source import reading
from emrnas_jax.errors import InputError

# Values of Image Type, Frame Type and Complex Image Component that are no magnitudes,
# and words for them.
NO_MAGNITUDE = {
    **dict.fromkeys(("P", "PHASE", "PHASE MAP"), "phases"),
    **dict.fromkeys(("R", "REAL"), "real parts"),
    **dict.fromkeys(("I", "IMAGINARY"), "imaginary parts"),
}
# GE says it in a private element instead.
GE_KIND, GE_WORDS = (
    (0x0043, 0x102F),
    {1: "phases", 2: "real parts", 3: "imaginary parts"},
)


class Plane(NamedTuple):
    """The place of one image, and how its pixels become intensities.

    Attributes:
        number: number of the image in its series.
        shape: height and width, pixels.
        slope: factor of its pixels.
        shift: what is added then.
        position: place of the first pixel, mm to the left, back and head; or None.
        orientation: directions of the rows and of the columns, a unit vector each; or
            None.
        spacing: distances of rows and of columns, mm; or None.
        thickness: distance of neighbouring slices as the file says, mm; or None.
        time: number of its time as the file says; or None.
    """

    number: int
    shape: tuple[int, int]
    slope: float
    shift: float
    position: Float[np.ndarray, "3"] | None
    orientation: Float[np.ndarray, "2 3"] | None
    spacing: tuple[float, float] | None
    thickness: float | None
    time: int | None


def read_dataset(path: Path, *, with_pixels: bool = True) -> Any:
    """Return the data set of a file of magnitude images.

    Raises:
        InputError: pydicom is missing, or the file is damaged or holds something else.
    """
    require_pydicom()
    from pydicom import dcmread

    with reading(path):
        dataset = dcmread(path, stop_before_pixels=not with_pixels)
    _require_magnitudes(path, dataset, with_pixels)
    return dataset


def planes_of(path: Path, dataset: Any) -> list[Plane]:
    """Return the places of the images of a data set.

    Raises:
        InputError: its functional groups are damaged.
    """
    with reading(path):
        count = int(dataset.get("NumberOfFrames") or 1)
        groups = _functional_groups(dataset, count)
        return [_plane(dataset, *one) for one in zip(range(count), groups, strict=True)]


def images_of(
    path: Path, dataset: Any, planes: list[Plane]
) -> list[Float32[np.ndarray, "height width"]]:
    """Return the intensities of the images of a data set.

    Raises:
        InputError: the pixels are damaged, or of an encoding that cannot be decoded.
    """
    _require_decoder(path, dataset)
    with reading(path):
        pixels = np.asarray(dataset.pixel_array)
        images = pixels.reshape(len(planes), *planes[0].shape)
    return [
        (image.astype(np.float32) * plane.slope + plane.shift).astype(np.float32)
        for image, plane in zip(images, planes, strict=True)
    ]


def _plane(dataset: Any, number: int, groups: list[Any]) -> Plane:
    """Return one place; what its functional groups do not say, its data set may."""

    def find(sequence: str, name: str) -> Any:
        for group in groups:
            inside = group.get(sequence)
            if inside and inside[0].get(name) is not None:
                return inside[0].get(name)
        return dataset.get(name)

    slope = find("PixelValueTransformationSequence", "RescaleSlope")
    shift = find("PixelValueTransformationSequence", "RescaleIntercept")
    position = find("PlanePositionSequence", "ImagePositionPatient")
    orientation = find("PlaneOrientationSequence", "ImageOrientationPatient")
    spacing = find("PixelMeasuresSequence", "PixelSpacing")
    between = find("PixelMeasuresSequence", "SpacingBetweenSlices")
    thickness = between or find("PixelMeasuresSequence", "SliceThickness")
    time = dataset.get("TemporalPositionIdentifier")
    return Plane(
        number if groups else int(dataset.get("InstanceNumber") or 0),
        (int(dataset.Rows), int(dataset.Columns)),
        float(slope or 1),
        float(shift or 0),
        np.array(position, float) if position else None,
        np.array(orientation, float).reshape(2, 3) if orientation else None,
        (float(spacing[0]), float(spacing[1])) if spacing else None,
        abs(float(thickness)) if thickness else None,
        None if time is None else int(time),
    )


def _functional_groups(dataset: Any, count: int) -> list[list[Any]]:
    """Return the groups of every frame, its own before the shared; often none."""
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or [])
    own = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    if not own:
        return [shared] * count
    return [[one, *shared] for one in own]


def _require_magnitudes(path: Path, dataset: Any, with_pixels: bool) -> None:
    if dataset.get("Rows") is None or (with_pixels and "PixelData" not in dataset):
        raise InputError(f"{path}: holds no image, or floating-point pixels alone")
    if "MOSAIC" in _words(dataset, "ImageType"):
        raise InputError(
            f"{path}: is a Siemens mosaic, many slices in one picture; export it as "
            "single slices, or convert it with dcm2niix to NIfTI"
        )
    if dataset.get("SamplesPerPixel", 1) != 1:
        raise InputError(
            f"{path}: is a colour picture ({dataset.get('PhotometricInterpretation')}),"
            " such as a screenshot; give the series of grey images"
        )
    grey = str(dataset.get("PhotometricInterpretation", ""))
    if grey != "MONOCHROME2":
        raise InputError(
            f"{path}: its greys are {grey or 'not described'}, expected MONOCHROME2, "
            "where larger is brighter; export the series again"
        )
    with reading(path):
        found = _no_magnitude(dataset)
    if found:
        raise InputError(
            f"{path}: holds {found}, and magnitudes alone are needed; give their "
            "series, or export them as one"
        )


def _no_magnitude(dataset: Any) -> str:
    """Return what is no magnitude among images and frames, in words; "" if all are."""
    frame_types = [
        frame_type
        for name in ("SharedFunctionalGroups", "PerFrameFunctionalGroups")
        for group in dataset.get(f"{name}Sequence") or ()
        for frame_type in group.get("MRImageFrameTypeSequence") or ()
    ]
    for one in (dataset, *frame_types):
        components = _words(one, "ComplexImageComponent")
        # In an Image Type it would be the contrasts that are mixed.
        if "MIXED" in components:
            return "several complex components (MIXED)"
        kinds = [*_words(one, "ImageType")[2:], *_words(one, "FrameType")[2:]]
        for kind in kinds + components:
            if kind in NO_MAGNITUDE:
                return NO_MAGNITUDE[kind]
    value: Any = dataset[GE_KIND].value if GE_KIND in dataset else 0
    return GE_WORDS.get(value, "") if isinstance(value, int) else ""


def _words(dataset: Any, name: str) -> list[str]:
    """Return the values of an element in capitals; none if it is missing or empty."""
    value = dataset.get(name) or ()
    # One value alone is no list, and its letters are no values.
    return [str(one).upper() for one in ((value,) if isinstance(value, str) else value)]


def _require_decoder(path: Path, dataset: Any) -> None:
    from pydicom.pixels.decoders.base import get_decoder

    with reading(path):
        syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_transfer_syntax:
        raise InputError(
            f"{path}: its transfer syntax {syntax} is private or unknown; export the "
            "series again as Explicit VR Little Endian"
        )
    if not syntax.is_compressed:
        return
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise InputError(
            f"{path}: its pixels are encoded as {syntax.name}, and no decoder is "
            "installed; install pylibjpeg[all], or decompress the file with "
            "`gdcmconv --raw`"
        )
