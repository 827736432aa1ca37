"""Write reconstructed magnitudes as DICOM, a file for every frame.

Where the input states the orientation of its slices, they are MR images with places in
the patient. DICOM's MR images must have a place, so where it is unknown they are
secondary captures, which viewers show without letters for left and right. Patients are
not named: a reconstruction for research is no part of a record.

Source: DICOM PS3.3, A.4 (MR Image), A.8.1 (Secondary Capture Image), C.7.6.2 (planes).
"""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from emrnas_jax.data.readers.dicom_library import require_pydicom
from emrnas_jax.inference.viewer_images import ViewerImages

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
LARGEST = 2**16 - 1
# NIfTI's patient axes point to the right and the front, DICOM's to the left and back.
TO_DICOM = np.diag([-1.0, -1.0, 1.0, 1.0])
# Cosine of the angle of rows and columns up to which they are perpendicular.
PERPENDICULAR = 1e-3


def write_dicom(folder: Path, images: ViewerImages) -> None:
    """Write every frame as a DICOM file of one series, 16 bits with a rescale slope.

    The UIDs follow from what the result was made from, so the same result has the same.

    Raises:
        InputError: pydicom is missing.
    """
    require_pydicom()
    slope = float(images.magnitudes.max()) / LARGEST or 1.0
    several = len(set(images.frames.tolist())) > 1
    for number, (name, pixels) in enumerate(
        zip(images.names(), images.magnitudes, strict=True), start=1
    ):
        dataset = _described(images, name, number)
        _place(dataset, images, int(images.slices[number - 1]))
        if several:
            dataset.TemporalPositionIdentifier = int(images.frames[number - 1]) + 1
        _store(dataset, pixels, slope)
        dataset.save_as(folder / f"{name}.dcm", enforce_file_format=True)


def _described(images: ViewerImages, name: str, number: int) -> Any:
    """Return a data set with everything but places and pixels."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    def uid(what: str) -> str:
        return generate_uid(entropy_srcs=[images.made_from, what])

    dataset = Dataset()
    placed = _axes(images) is not None
    dataset.SOPClassUID = MR_IMAGE if placed else SECONDARY_CAPTURE
    dataset.SOPInstanceUID = uid(name)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid("study"), uid("series")
    if placed:
        dataset.FrameOfReferenceUID = uid("frame of reference")
        dataset.PositionReferenceIndicator = ""
        dataset.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
        # Of the acquisition nothing is known; these must be there, and may be empty.
        dataset.ScanningSequence, dataset.SequenceVariant = "RM", "NONE"
        for unknown in ("ScanOptions", "EchoTime", "EchoTrainLength"):
            setattr(dataset, unknown, None)
        dataset.MRAcquisitionType = None
    else:
        dataset.ImageType = ["DERIVED", "SECONDARY"]
        dataset.ConversionType = "SYN"
    for empty in (
        *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyID"),
        *("StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName"),
        *("Manufacturer", "PatientOrientation"),
    ):
        setattr(dataset, empty, None)
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "MR", 1, number
    dataset.SeriesDescription = f"{images.network} reconstruction"[:64]
    dataset.DerivationDescription = (
        f"Reconstructed from under-sampled k-space by {images.network}"
    )
    dataset.ImageComments = f"Not for diagnosis; {images.about}{images.geometry}"
    dataset.BurnedInAnnotation = "NO"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _axes(images: ViewerImages) -> Float[np.ndarray, "4 4"] | None:
    """Return the affine towards DICOM's patient axes; None if no image can have it."""
    affine = images.geometry.affine
    if affine is None:
        return None
    across, down = affine[:3, 0], affine[:3, 1]
    cosine = across @ down / (np.linalg.norm(across) * np.linalg.norm(down))
    return TO_DICOM @ affine if abs(cosine) < PERPENDICULAR else None


def _place(dataset: Any, images: ViewerImages, slice_: int) -> None:
    """Set the size of pixels, and the place of a slice where it is known."""
    if images.geometry.size_mm is None:
        return
    across, down, through = images.geometry.size_mm
    dataset.PixelSpacing = [_decimal(down), _decimal(across)]
    axes = _axes(images)
    if axes is None:
        return
    dataset.SliceThickness = dataset.SpacingBetweenSlices = _decimal(through)
    directions = axes[:3, :2] / np.linalg.norm(axes[:3, :2], axis=0)
    dataset.ImageOrientationPatient = [_decimal(one) for one in directions.T.ravel()]
    position = axes @ [0, 0, slice_, 1]
    dataset.ImagePositionPatient = [_decimal(one) for one in position[:3]]


def _store(dataset: Any, pixels: Float[np.ndarray, "h w"], slope: float) -> None:
    """Set the pixels of a frame, and the factor that leads back to its intensities."""
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.RescaleSlope, dataset.RescaleIntercept = _decimal(slope), "0"
    dataset.RescaleType = "US"  # no unit
    # The whole range, one for all frames, so that they can be compared.
    dataset.WindowCenter = _decimal(slope * LARGEST / 2)
    dataset.WindowWidth = _decimal(slope * LARGEST)
    levels = np.clip(np.round(pixels / slope), 0, LARGEST).astype("<u2")
    dataset.PixelData = levels.tobytes()


def _decimal(value: float) -> Any:
    from pydicom.valuerep import DSfloat

    # A decimal of at most 16 characters, as DICOM has it.
    return DSfloat(float(value), auto_format=True)
