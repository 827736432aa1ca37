"""Time and memory of what several coils need, beside SigPy, in one run.

One slice of a head phantom, with the coils of a birdcage and a little noise, measured
as fastMRI measures brains: every fourth column and 8 % in the middle. Coil maps by
ESPIRiT, SENSE with a given weight, total variation, the variational network and the
half-resolution cascade.

SigPy computes the first three with the same maps and weights. Its maps and its SENSE
must agree with ours before anything is timed. Its total variation is another one, the
sum over both axes apart, by a method that needs more steps: there the rows have the
error of both. PyTorch computes the variational network, with our weights and the same
image, and is timed beside both networks.
"""

import importlib
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex

from emrnas_jax.benchmark.against_torch import ratio_fields
from emrnas_jax.benchmark.peers import require_peer
from emrnas_jax.benchmark.programs import Program, compiled
from emrnas_jax.benchmark.rows import Row
from emrnas_jax.data.phantom import PhantomSettings, subject_images
from emrnas_jax.data.sampling_settings import SamplingSettings
from emrnas_jax.errors import InputError
from emrnas_jax.machine.timing import median_ms
from emrnas_jax.models.networks import blank_inputs, build_network, parameter_count
from emrnas_jax.mri.calibration import calibration_region
from emrnas_jax.mri.coils import birdcage_maps
from emrnas_jax.mri.espirit import espirit
from emrnas_jax.mri.fourier import fft2, to_centred_kspace, to_channels
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

# Settings of the networks that are timed; both have about as many parameters.
NETWORKS_OF_ROWS: dict[str, dict[str, Any]] = {
    "varnet": {},
    "half_resolution": {"consistency": "gradient"},
}

Run = Callable[[], Any]


class Ours(NamedTuple):
    """One of our compiled programs, with the weights of a network if it is one."""

    program: Program
    params: Mapping[str, Any] = MappingProxyType({})


class Peer(NamedTuple):
    """A run of SigPy, its result, and the peak of NumPy's memory in it, MiB."""

    run: Run
    result: np.ndarray
    peak_mib: float


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
    coils: int, shape: tuple[int, int], repeats: int, against: Sequence[str] = ()
) -> list[Row]:
    """Measure one slice of several coils.

    Args:
        coils: number of coils.
        shape: height and width of the slice, pixels.
        repeats: number of timings whose median is taken; each runs all in turn.
        against: keys of `peers.PEERS` that are timed in turn.

    Raises:
        InputError: a peer is not installed, or computes something else.
    """
    for peer in against:
        require_peer(peer)
    data = measured_slice(coils, shape)
    ours = _programs(data)
    theirs = _sigpy_runs(data, ours) if "sigpy" in against else {}
    torch_runs = _torch_runs(data, ours["varnet"]) if "torch" in against else {}
    runs = [own.program.run for own in ours.values()]
    runs += [*(peer.run for peer in theirs.values()), *torch_runs.values()]
    times = iter(median_ms(runs, repeats))
    step_ms, sigpy_ms, torch_ms = (
        dict(zip(names, times, strict=False)) for names in (ours, theirs, torch_runs)
    )
    rows: list[Row] = []
    for label, own in ours.items():
        row = {
            "label": label,
            "coils": coils,
            "size": f"{shape[0]} x {shape[1]}",
            "parameters": parameter_count(dict(own.params)) or None,
            "step_ms": step_ms[label],
            "temporary_mib": own.program.temporary_mib,
            "device": jax.devices()[0].device_kind,
            "jax": jax.__version__,
        }
        if label in IMAGES:
            row["nrmse"] = _error(own.program.run(), data)
        if label in theirs:
            row["sigpy_ms"] = sigpy_ms[label]
            row["sigpy_ratio"] = step_ms[label] / sigpy_ms[label]
            row["sigpy_mib"] = theirs[label].peak_mib
            if label in IMAGES:
                row["sigpy_nrmse"] = _error(theirs[label].result, data)
        if torch_ms and own.params:
            # Both networks beside PyTorch's variational network, of about their size.
            row |= ratio_fields(step_ms[label], torch_ms)
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


def _programs(data: Slice) -> dict[str, Ours]:
    """Return every compiled program."""
    measurement = data.measurement
    weight = jnp.full(1, WEIGHT, jnp.float32)
    programs = {
        "espirit": compiled(partial(espirit, region=data.region), data.kspace),
        "sense": compiled(partial(sense, iterations=ITERATIONS), measurement, weight),
        "tv": compiled(lambda m: restore(m, STRENGTH, ITERATIONS), measurement),
    }
    ours = {label: Ours(program) for label, program in programs.items()}
    for label, settings in NETWORKS_OF_ROWS.items():
        network = build_network(label, settings)
        variables: Any = network.init(jax.random.key(0), *blank_inputs())
        program = compiled(
            lambda v, m, network=network: network.apply(v, zero_filled(m), m),
            variables,
            measurement,
        )
        ours[label] = Ours(program, variables["params"])
    return ours


def _sigpy_runs(data: Slice, ours: dict[str, Ours]) -> dict[str, Peer]:
    """Return SigPy's runs, after they were seen to agree with ours.

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
    # Once for the result and the memory: a run may take minutes.
    peers = {label: _measured(run) for label, run in runs.items()}
    found, _ = ours["espirit"].program.run()
    agreement = _agreement(np.asarray(found[0]), peers["espirit"].result)
    if agreement < LEAST_AGREEMENT:
        raise InputError(
            f"espirit: SigPy's maps agree by {agreement:.3f}, less than "
            f"{LEAST_AGREEMENT}, so nothing was timed"
        )
    _require_alike("sense: SigPy's image", ours["sense"], peers["sense"].result)
    return peers


def _torch_runs(data: Slice, ours: Ours) -> dict[str, Run]:
    """Return PyTorch's variational network, after it was seen to agree with ours.

    Raises:
        InputError: it does not.
    """
    # Imported here: PyTorch is optional, and slow to import.
    from emrnas_jax.benchmark.pytorch import varnet

    network: Any = build_network("varnet", NETWORKS_OF_ROWS["varnet"])
    runs = varnet.runs(network, ours.params, data.measurement)
    for name, run in runs.items():
        found = to_channels(jnp.asarray(run().numpy()))
        _require_alike(f"varnet: PyTorch's image ({name})", ours, np.asarray(found))
    return dict(runs)


def _require_alike(name: str, ours: Ours, theirs: np.ndarray) -> None:
    own = np.asarray(ours.program.run())
    difference = np.abs(own.reshape(theirs.shape) - theirs).max() / np.abs(own).max()
    # Negated, because a comparison with NaN is always false.
    if not difference <= BOUND:
        raise InputError(
            f"{name} differs by {difference:.2g} of the largest value, more than "
            f"{BOUND}, so nothing was timed"
        )


def _centred(data: Slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return k-space, maps and mask as SigPy takes them: the middle in the middle."""
    maps = data.measurement.coil_maps
    assert maps is not None
    mask = np.broadcast_to(data.measurement.mask[0], data.image.shape)
    kspace = to_centred_kspace(np.asarray(data.kspace)).astype(np.complex64)
    return kspace, np.asarray(maps[0]), np.fft.fftshift(mask).astype(np.float32)


def _agreement(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the median |cosine| between maps in pixels where both have some."""
    cosine = np.abs((ours.conj() * theirs).sum(0))
    both = np.abs(ours).any(0) & np.abs(theirs).any(0)
    return float(np.median(cosine[both]))


def _measured(run: Run) -> Peer:
    """Run once, with the peak of the memory that NumPy allocates."""
    tracemalloc.start()
    try:
        result = run()
        return Peer(run, result, tracemalloc.get_traced_memory()[1] / 2**20)
    finally:
        tracemalloc.stop()
