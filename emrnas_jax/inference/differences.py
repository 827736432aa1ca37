"""Warn where a scan differs from the network's training data."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Complex64

from emrnas_jax.data.readers.scan import Scan
from emrnas_jax.data.sampling_settings import SamplingSettings
from emrnas_jax.inference.trained import TrainedNetwork
from emrnas_jax.models.included import included_models
from emrnas_jax.models.model_folder import read_config
from emrnas_jax.models.record import NetworkRecord
from emrnas_jax.mri.consistency import mirror

# Beyond these factors a scan differs from the training enough to say so.
SIZE_FACTOR, RATE_FACTOR = 1.25, 1.5
# Part of k-space's energy that no real image has. All of it becomes error, and a good
# reconstruction is wrong by one or two hundredths of the energy.
PHASE_FRACTION = 0.005
# Kinds of masks that may be of points; a file of masks is not opened here.
OF_POINTS = ("poisson", "file")


def warnings_for(model: TrainedNetwork, scan: Scan) -> list[str]:
    """Return all warnings about a scan: its file's, the network's, and differences."""
    unfinished = [model.unfinished] if model.unfinished else []
    return [*scan.warnings, *unfinished, *differences(model, scan)]


def differences(model: TrainedNetwork, scan: Scan) -> list[str]:
    """Return a warning for each difference from the network's training data."""
    if model.folder is None:
        return []  # total variation was trained on nothing
    record = model.record
    # Not from `Sampling`, which would need its file of masks.
    sampling = SamplingSettings(**record.sampling)
    found = _size_difference(record, scan.shape)
    # By name alone: a file that was renamed is not noticed.
    if model.subjects.intersection(scan.subjects):
        # A model folder is one network, without folds.
        way_out = "" if model.sha256 else "; --fold chooses the network of another fold"
        found.append(
            "the network was trained on this subject, so the result flatters it"
            f"{way_out}"
        )
    if scan.mask is None:
        return found
    rate = float(scan.mask.mean())
    if sampling.kind != "file" and not _suits(sampling, rate):
        hint = "; if zeros are padding, say --fully_sampled" if rate > 0.5 else ""
        trained = ", ".join(f"{own:.0%}" for own, _ in sampling.pairs)
        found.append(
            f"about {rate:.0%} of k-space measured, and the network was trained for "
            f"{trained}{hint}{_other_models(model, rate)}"
        )
    lines = {"rows": scan.mask.shape[2] == 1, "columns": scan.mask.shape[1] == 1}
    if sampling.kind not in OF_POINTS and not lines[sampling.phase_encode]:
        found.append(
            "the mask is not of lines along the axis that the network was trained for "
            f"({sampling.phase_encode})"
        )
    several = scan.kspace is not None and scan.kspace.ndim == 4
    coils = scan.values.shape[1] if several else 0
    if coils and not record.coils:
        found.append(
            f"{coils} coils, and the network was trained on images of one; "
            "--model=sense takes coils"
        )
    elif record.coils and not coils:
        found.append(
            f"one coil, and the network was trained on images of {record.coils} coils"
        )
    elif scan.kspace is not None and record.images == "magnitude":
        middle = len(scan.kspace) // 2
        # One frame is enough, for a receiver has its phase in all.
        if phase_fraction(scan.kspace[middle], scan.mask[middle]) > PHASE_FRACTION:
            found.append(
                "the images have a phase, and the network was trained on magnitudes, "
                "which have none; a network trained on complex images suits them"
            )
    return found


def _suits(sampling: SamplingSettings, rate: float) -> bool:
    """Return whether a rate is about one of those of a training."""
    return any(max(rate / own, own / rate) <= RATE_FACTOR for own, _ in sampling.pairs)


def _other_models(model: TrainedNetwork, rate: float) -> str:
    """Return in words which model to take instead, if both come with the package."""
    included = included_models()
    if model.folder not in included.values():  # for images of what, nobody knows
        return ""
    for name, folder in included.items():
        own = read_config(folder).network
        is_alike = own.images == model.record.images
        if is_alike and _suits(SamplingSettings(**own.sampling), rate):
            return f"; --model={name} was trained for about as many"
    return ""


def _size_difference(record: NetworkRecord, shape: tuple[int, int]) -> list[str]:
    """Return a warning where a size is unlike all sizes of the training, if it is."""
    ratios = [
        [a / b for a, b in zip(shape, trained, strict=True)]
        for trained in (record.shape, *record.other_shapes)
    ]
    # A quarter more or less: networks are not scale-invariant.
    if any(max(*own, *(1 / r for r in own)) <= SIZE_FACTOR for own in ratios):
        return []
    return [
        f"frames of {shape[0]} x {shape[1]}, and the network was trained on "
        f"{record.shapes_in_words}; nothing is scaled, so structures have another size "
        "in pixels"
    ]


def phase_fraction(
    kspace: Complex64[np.ndarray, "height width"],
    mask: Bool[np.ndarray, "#height #width"],
) -> float:
    """Return the part of k-space's energy that no real image has.

    The k-space of a real image is Hermitian, so samples are compared with their mirror
    images where both were measured. The part is 0 for a real image and 0.5 for a random
    phase.

    Args:
        kspace: samples of one frame, zero frequency first.
        mask: True where they were measured.
    """
    mirrored = np.asarray(mirror(jnp.asarray(kspace)[None])[0])
    both = mask & np.asarray(mirror(jnp.asarray(mask)[None])[0])
    energy = np.sum(np.abs(np.where(both, kspace, 0)) ** 2)
    against = np.sum(np.abs(np.where(both, kspace - mirrored.conj(), 0)) ** 2) / 4
    return float(against / energy) if energy else 0.0
