"""The regularised image against dense least squares, and so its gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.machine.devices import DIVIDED, mesh_for, on_every_device
from emrnas_jax.mri.conjugate_gradients import conjugate_gradients
from emrnas_jax.mri.least_squares import regularised
from emrnas_jax.mri.measurement import Measurement, adjoint, normal
from tests.fixtures.operator_laws import random_complex, simulated_coil_maps

SHAPE, COILS, WEIGHT = (8, 8), 3, 0.3
PIXELS = SHAPE[0] * SHAPE[1]


def scene(kind="rows"):
    """Noise in two frames, through smooth maps, each frame with its own mask."""
    draw = np.random.default_rng(0).random
    shapes = {"rows": (2, 8, 1), "columns": (2, 1, 8), "full": (2, *SHAPE)}
    mask = jnp.asarray(draw(shapes[kind]) < 0.4)
    maps = simulated_coil_maps(COILS, *SHAPE, frames=2)
    kspace = random_complex(1, 2, COILS, *SHAPE)
    return Measurement(kspace, mask, maps), random_complex(2, 2, *SHAPE)


def dense(measurement, frame):
    """A of one frame, a matrix from pixels to the samples of all coils, in float64."""
    units = np.eye(PIXELS).reshape(PIXELS, 1, *SHAPE)
    maps = np.asarray(measurement.coil_maps[frame], np.complex128)
    kspace = np.fft.fft2(maps * units, norm="ortho")
    mask = np.broadcast_to(measurement.mask[frame], SHAPE)
    return np.where(mask, kspace, 0).reshape(PIXELS, -1).T


def solved(measurement, image, frame, weight):
    """The minimum of |A x - k|² + λ |x - z|² by one least-squares problem."""
    matrix, z = dense(measurement, frame), np.asarray(image[frame]).ravel()
    mask = np.broadcast_to(measurement.mask[frame], SHAPE)
    kspace = np.where(mask, measurement.kspace[frame], 0).ravel()
    root = np.sqrt(weight)
    rows = np.concatenate([matrix, root * np.eye(PIXELS)])
    return np.linalg.lstsq(rows, np.concatenate([kspace, root * z]))[0]


@pytest.mark.parametrize("kind", ["rows", "columns", "full"])
@pytest.mark.parametrize("weight", [0.05, 2.0])
def test_it_is_the_solution_of_dense_least_squares(kind, weight):
    measurement, image = scene(kind)
    found = jax.jit(regularised, static_argnums=3)(image, measurement, weight, 40)
    assert found.dtype == jnp.complex64
    for frame in range(2):
        wanted = solved(measurement, image, frame, weight)
        np.testing.assert_allclose(found[frame].ravel(), wanted, atol=2e-5)


@pytest.mark.slow
def test_ten_steps_are_near_the_solution():
    """For the weight that MoDL begins with; the error of 10 steps is 0.4 %."""
    measurement, image = scene()
    found = regularised(image, measurement, 0.05)
    wanted = np.stack([solved(measurement, image, n, 0.05) for n in range(2)])
    error = np.linalg.norm(found.reshape(2, -1) - wanted) / np.linalg.norm(wanted)
    assert error < 0.01


def test_one_coil_that_sees_everything_alike_needs_no_maps():
    """AᴴA is then a projection, and the minimum known at every frequency."""
    measurement, image = scene()
    one = measurement._replace(
        kspace=measurement.kspace[:, :1],
        coil_maps=jnp.ones((2, 1, *SHAPE), "complex64"),
    )
    own = np.fft.fft2(image, norm="ortho")
    both = (np.asarray(one.kspace[:, 0]) + WEIGHT * own) / (1 + WEIGHT)
    wanted = np.fft.ifft2(np.where(one.mask, both, own), norm="ortho")
    np.testing.assert_allclose(regularised(image, one, WEIGHT), wanted, atol=5e-6)


@pytest.mark.slow
def test_values_that_were_not_measured_do_not_count():
    measurement, image = scene()
    mask = measurement.mask[:, None]
    dirty = measurement._replace(kspace=jnp.where(mask, measurement.kspace, jnp.inf))

    def value(image, measurement):
        return jnp.abs(regularised(image, measurement, WEIGHT)).sum()

    found, wanted = (jax.grad(value)(image, m) for m in (dirty, measurement))
    np.testing.assert_array_equal(found, wanted)
    assert np.isfinite(found).all()


def implicit_and_dense(measurement, image):
    """Two real functions of (z, λ): by `regularised` and by a dense solve in JAX."""
    matrices = jnp.asarray([dense(measurement, n) for n in range(2)], jnp.complex64)
    kspace = jnp.where(measurement.mask[:, None], measurement.kspace, 0)
    direction = random_complex(3, *image.shape)

    def by_steps(image, weight):
        found = regularised(image, measurement, weight, 40)
        return jnp.vdot(direction, found).real + jnp.sum(jnp.abs(found) ** 2)

    def by_matrices(image, weight):
        total = jnp.float32(0)
        for n, matrix in enumerate(matrices):
            damping = weight.astype(jnp.complex64)
            left = matrix.conj().T @ matrix + damping * jnp.eye(
                PIXELS, dtype="complex64"
            )
            right = matrix.conj().T @ kspace[n].ravel() + damping * image[n].ravel()
            found = jnp.linalg.solve(left, right)
            total += jnp.vdot(direction[n].ravel(), found).real
            total += jnp.sum(jnp.abs(found) ** 2)
        return total

    return by_steps, by_matrices


def test_its_gradient_is_that_of_a_dense_solve():
    measurement, image = scene()
    both = implicit_and_dense(measurement, image)
    weight = jnp.float32(WEIGHT)
    found, wanted = (jax.jit(jax.grad(f, (0, 1)))(image, weight) for f in both)
    np.testing.assert_allclose(found[0], wanted[0], atol=1e-4)
    np.testing.assert_allclose(found[1], wanted[1], rtol=1e-3)
    assert abs(float(wanted[1])) > 1


def test_the_gradient_of_the_maps_follows_a_finite_difference():
    measurement, image = scene()
    start = simulated_coil_maps(COILS, *SHAPE, frames=2)
    direction = random_complex(4, *start.shape)

    def value(step):
        maps = start + step.astype("complex64") * direction
        found = regularised(image, measurement._replace(coil_maps=maps), WEIGHT, 40)
        return jnp.sum(jnp.abs(found) ** 2)

    step = jnp.float32(2e-3)
    difference = (value(step) - value(-step)) / (2 * step)
    slope = jax.jit(jax.grad(value))(jnp.float32(0))
    np.testing.assert_allclose(slope, difference, rtol=1e-2)


def test_no_gradient_goes_back_through_the_steps():
    """Few steps give the gradient of few steps of the adjoint equation."""
    measurement, image = scene()
    weight, few = jnp.float32(WEIGHT), 2
    direction = random_complex(3, *image.shape)

    def value(image):
        return jnp.vdot(direction, regularised(image, measurement, weight, few)).real

    def operator(x):
        return normal(x, measurement) + jnp.complex64(WEIGHT) * x

    zero = jnp.zeros_like(image)
    solution = conjugate_gradients(operator, direction, zero, few)
    # x = z + (AᴴA + λ)⁻¹ Aᴴ (k - A z); JAX's gradient of a real value is the conjugate.
    wanted = direction - normal(solution, measurement)
    np.testing.assert_allclose(jax.grad(value)(image).conj(), wanted, atol=1e-5)


def test_a_black_scan_stays_black_with_finite_gradients():
    measurement, image = scene()
    nothing = jax.tree.map(jnp.zeros_like, measurement)

    def value(image, weight):
        return jnp.sum(jnp.abs(regularised(image, nothing, weight)) ** 2)

    found = jax.grad(value, (0, 1))(jnp.zeros_like(image), jnp.float32(WEIGHT))
    assert not any(leaf.any() for leaf in jax.tree.leaves(found))
    assert not adjoint(nothing.kspace, nothing).any()


@pytest.mark.slow
def test_frames_that_devices_share_have_the_same_image_and_gradient():
    measurement, image = scene()
    mesh = mesh_for(2, jax.devices()[:2])

    def both(image, measurement):
        def value(image):
            return jnp.sum(jnp.abs(regularised(image, measurement, WEIGHT)) ** 2)

        return regularised(image, measurement, WEIGHT), jax.grad(value)(image)

    shared = on_every_device(both, mesh, (DIVIDED, DIVIDED), DIVIDED)
    for found, expected in zip(
        jax.jit(shared)(image, measurement), both(image, measurement), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-5)
