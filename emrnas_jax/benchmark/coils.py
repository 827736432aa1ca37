"""Time and memory of what several coils need, beside SigPy, in one run.

One slice of a head phantom, with the coils of a birdcage and a little noise, measured
as fastMRI measures brains: every fourth column and 8 % in the middle. Coil maps by
ESPIRiT, SENSE with a given weight, total variation, and the half-resolution cascade.
SigPy computes the first three with the same maps and weights. Its maps and its SENSE
must agree with ours before anything is timed. Its total variation is another one, the
sum over both axes apart, by a method that needs more steps: there the rows have the
error of both.
"""

import importlib
import importlib.util
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex

from emrnas_jax.benchmark.programs import Program, compiled, median_ms
from emrnas_jax.benchmark.rows import Row
from emrnas_jax.data.phantom import PhantomSettings, subject_images
from emrnas_jax.data.sampling_settings import SamplingSettings
from emrnas_jax.errors import InputError
from emrnas_jax.models.half_resolution import half_resolution
from emrnas_jax.models.networks import blank_inputs, parameter_count
from emrnas_jax.mri.calibration import calibration_region
from emrnas_jax.mri.coils import birdcage_maps
from emrnas_jax.mri.espirit import espirit
from emrnas_jax.mri.fourier import fft2
from emrnas_jax.mri.measurement import Measurement, keep_measured, zero_filled
from emrnas_jax.mri.sampling import draw_mask
from emrnas_jax.mri.sense import sense
from emrnas_jax.mri.total_variation import restore

MASKS = SamplingSettings("equispaced", 0.25, 0.08, "columns")
NOISE, WEIGHT, STRENGTH = 0.003, 0.01, 3e-3
ITERATIONS = 30  # of both solvers; SigPy's total variation takes 100, its default
# Least agreement of SigPy's maps with ours, and largest difference of its SENSE from
# ours, of the largest value.
LEAST_AGREEMENT, BOUND = 0.99, 1e-3

# Rows whose result is an image of the phantom; the cascade's weights are random.
IMAGES = ("sense", "tv")

Run = Callable[[], Any]


class Slice(NamedTuple):
    """One slice that several coils measured.

    Attributes:
        measurement: samples of one frame, with the true coil maps.
        region: rows and columns of the calibration region, in centred order.
        image: the true image.
    """

    measurement: Measurement
    region: tuple[slice, slice]
    image: Complex[np.ndarray, "height width"]

    @property
    def kspace(self) -> Complex[Array, "coil height width"]:
        """Samples of all coils, zero frequency first."""
        return self.measurement.kspace[0]


def coil_rows(
    coils: int, shape: tuple[int, int], repeats: int, with_sigpy: bool
) -> list[Row]:
    """Measure one slice of several coils.

    Args:
        coils: number of coils.
        shape: height and width of the slice, pixels.
        repeats: number of timings whose median is taken; each runs all in turn.
        with_sigpy: whether SigPy is timed in turn.

    Raises:
        InputError: SigPy is not installed, or it computes something else.
    """
    if with_sigpy and importlib.util.find_spec("sigpy") is None:
        raise InputError(
            "--against=sigpy: SigPy is not installed; install it with "
            "python -m pip install sigpy"
        )
    data = measured_slice(coils, shape)
    ours = _programs(data)
    peers = _peers(data, ours) if with_sigpy else {}
    runs = [*(program.run for program, _ in ours.values()), *peers.values()]
    times = median_ms(runs, repeats)
    theirs = dict(zip(peers, times[len(ours) :], strict=True))
    rows: list[Row] = []
    for (label, (program, own)), step_ms in zip(ours.items(), times, strict=False):
        row = {
            "label": label,
            "coils": coils,
            "size": f"{shape[0]} x {shape[1]}",
            **own,
            "step_ms": step_ms,
            "temporary_mib": program.temporary_mib,
            "device": jax.devices()[0].device_kind,
            "jax": jax.__version__,
        }
        if label in IMAGES:
            row["nrmse"] = _error(program.run(), data)
        if label in peers:
            row["sigpy_ms"] = theirs[label]
            row["sigpy_ratio"] = step_ms / theirs[label]
            row["sigpy_mib"] = _peak_mib(peers[label])
            if label in IMAGES:
                row["sigpy_nrmse"] = _error(peers[label](), data)
        rows.append(row)
    return rows


def _error(image: Any, data: Slice) -> float:
    """Return the error of an image, normalised by the true one."""
    rest = np.asarray(image).reshape(data.image.shape) - data.image
    return float(np.linalg.norm(rest) / np.linalg.norm(data.image))


def measured_slice(coils: int, shape: tuple[int, int]) -> Slice:
    """Return a slice of a head phantom, measured by the coils of a birdcage."""
    size = max(shape)
    settings = PhantomSettings("head", subjects=1, slices=1, frames=1, size=size)
    image = next(iter(subject_images(settings, True, 0))).image
    top, left = ((size - side) // 2 for side in shape)
    image = image[top : top + shape[0], left : left + shape[1]]
    maps = birdcage_maps(coils, shape)
    random = np.random.default_rng(0)
    noise = random.normal(0, NOISE, (2, coils, *shape)).astype(np.float32)
    kspace = fft2(maps * image[None]) + noise[0] + 1j * noise[1]
    mask = draw_mask(MASKS.load(), jax.random.key(0), shape)
    region = calibration_region(np.asarray(mask), shape)
    measurement = keep_measured(kspace[None], mask[None], maps[None])
    return Slice(measurement, region, image)


def _programs(data: Slice) -> dict[str, tuple[Program, Row]]:
    """Return every compiled program, and what else its row says."""
    network = half_resolution(consistency="single")
    variables: Any = network.init(jax.random.key(0), *blank_inputs())
    measurement = data.measurement
    weight = jnp.full(1, WEIGHT, jnp.float32)
    return {
        "espirit": (compiled(partial(espirit, region=data.region), data.kspace), {}),
        "sense": (
            compiled(partial(sense, iterations=ITERATIONS), measurement, weight),
            {},
        ),
        "tv": (
            compiled(lambda m: restore(m, STRENGTH, ITERATIONS), measurement),
            {},
        ),
        "half_resolution": (
            compiled(
                lambda v, m: network.apply(v, zero_filled(m), m), variables, measurement
            ),
            {"parameters": parameter_count(variables["params"])},
        ),
    }


def _peers(data: Slice, ours: dict[str, tuple[Program, Row]]) -> dict[str, Run]:
    """Return SigPy's runs, after each was seen to agree with ours.

    Raises:
        InputError: one does not.
    """
    # Imported here: SigPy is optional, and slow to import. It has no types.
    app: Any = importlib.import_module("sigpy.mri.app")
    kspace, maps, mask = _centred(data)
    # The mask is passed too: a sample that happens to be zero was measured.
    weights = np.broadcast_to(mask, kspace.shape)
    options = {"show_pbar": False}
    runs: dict[str, Run] = {
        "espirit": lambda: app.EspiritCalib(kspace, **options).run(),
        "sense": lambda: app.SenseRecon(
            kspace, maps, WEIGHT, weights, max_iter=ITERATIONS, **options
        ).run(),
        "tv": lambda: app.TotalVariationRecon(
            kspace, maps, STRENGTH, weights, **options
        ).run(),
    }
    found, _ = ours["espirit"][0].run()
    agreement = _agreement(np.asarray(found[0]), runs["espirit"]())
    if agreement < LEAST_AGREEMENT:
        raise InputError(
            f"espirit: SigPy's maps agree by {agreement:.3f}, less than "
            f"{LEAST_AGREEMENT}, so nothing was timed"
        )
    own = np.asarray(ours["sense"][0].run()[0])
    difference = np.abs(own - runs["sense"]()).max() / np.abs(own).max()
    if difference > BOUND:
        raise InputError(
            f"sense: SigPy's image differs by {difference:.2g} of the largest value, "
            f"more than {BOUND}, so nothing was timed"
        )
    return runs


def _centred(data: Slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return k-space, maps and mask as SigPy takes them: the middle in the middle."""
    axes = (-2, -1)
    height, width = data.kspace.shape[-2:]
    # A shift of the image by half its size is a wave in k-space; SigPy's image has its
    # first pixel where ours has it, and its origin in the middle.
    images = np.fft.ifft2(np.asarray(data.kspace), norm="ortho")
    kspace = np.fft.fftshift(
        np.fft.fft2(np.fft.ifftshift(images, axes=axes), norm="ortho"), axes=axes
    ).astype(np.complex64)
    maps = data.measurement.coil_maps
    assert maps is not None
    mask = np.broadcast_to(np.asarray(data.measurement.mask[0]), (height, width))
    return (
        kspace,
        np.asarray(maps[0]),
        np.fft.fftshift(mask, axes=axes).astype(np.float32),
    )


def _agreement(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the median |cosine| between maps in pixels where both have some."""
    cosine = np.abs((ours.conj() * theirs).sum(0))
    both = np.abs(ours).any(0) & np.abs(theirs).any(0)
    return float(np.median(cosine[both]))


def _peak_mib(run: Run) -> float:
    """Return the peak of the memory that NumPy allocates during a run, in MiB."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()
