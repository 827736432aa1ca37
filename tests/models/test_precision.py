"""What changes with the precision of a network, and what must not."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.kernels.convolution import convolve
from emrnas_jax.models.cells import MixedCell
from emrnas_jax.models.emrnas import SearchNetwork, fixed_network
from emrnas_jax.models.layers import LayerSettings
from emrnas_jax.nas.gates import Gates
from emrnas_jax.nas.space import Architecture

ARCHITECTURE = Architecture.parse("[O1]")
WIDTH = 4
# The norm of the error relative to the norm of the whole: bfloat16 rounds by up to 1 in
# 256, and errors of a few convolutions add up.
CLOSE_IMAGE, CLOSE_GRADIENT = 0.005, 0.1


def network(precision, batch_norm=False):
    return fixed_network(
        ARCHITECTURE, LayerSettings(WIDTH, precision, batch_norm), "single"
    )


def search_network(precision, batch_norm=False):
    return SearchNetwork(
        components=1,
        cells_per_block=1,
        width=WIDTH,
        batch_norm=batch_norm,
        precision=precision,
    )


def gates(paths):
    choices = jnp.array([[0, 4]])[:, :paths]
    return Gates(choices, jnp.full(choices.shape, 1 / paths))


def loss_and_image(module, variables, batch, *more):
    image = module.apply(variables, batch.zero_filled, batch.measurement, *more)
    return jnp.mean((image - batch.target) ** 2), image


def drawn(module, *arguments):
    """Draw weights by their shapes; drawn as in a training they would be compiled."""
    shapes = jax.eval_shape(module.init, jax.random.key(0), *arguments)
    draw = np.random.default_rng(1).standard_normal
    return jax.tree.map(
        lambda leaf: jnp.asarray(draw(leaf.shape) / 6, leaf.dtype), shapes
    )


@pytest.fixture(scope="module")
def weights(small_batch):
    return drawn(network("float32"), small_batch.zero_filled, small_batch.measurement)[
        "params"
    ]


@pytest.fixture(scope="module")
def results(weights, small_batch):
    """Image and gradient of the weights, in each precision."""

    def run(precision):
        value_and_grad = jax.value_and_grad(
            lambda w: loss_and_image(network(precision), {"params": w}, small_batch),
            has_aux=True,
        )
        (_, image), gradient = jax.jit(value_and_grad)(weights)
        return image, gradient

    return {precision: run(precision) for precision in ("float32", "tf32", "bf16")}


def assert_close(found, expected, tolerance):
    leaves, wanted = jax.tree.leaves(found), jax.tree.leaves(expected)
    assert {leaf.dtype for leaf in leaves} == {jnp.dtype("float32")}
    a, b = (np.concatenate([np.ravel(x) for x in one]) for one in (leaves, wanted))
    assert np.linalg.norm(a - b) < tolerance * np.linalg.norm(b)  # not with NaN


def test_bf16_is_close_to_float32_and_not_the_same(results):
    image, gradient = results["bf16"]
    expected, expected_gradient = results["float32"]
    assert_close(image, expected, CLOSE_IMAGE)
    assert float(jnp.abs(image - expected).max()) > 1e-5
    assert_close(gradient, expected_gradient, CLOSE_GRADIENT)


def test_tf32_is_float32_on_the_cpu(results):
    for a, b in zip(
        jax.tree.leaves(results["tf32"]),
        jax.tree.leaves(results["float32"]),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_measured_samples_survive_bf16(results, small_batch):
    image = np.asarray(results["bf16"][0])
    kspace = np.fft.fft2(image[..., 0] + 1j * image[..., 1], norm="ortho")
    measured, mask, _ = small_batch.measurement
    error = np.where(mask, kspace - measured, 0)
    assert abs(error).max() < 1e-5
    assert abs(kspace - np.asarray(measured)).max() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize(("paths", "batch_norm"), [(1, False), (2, True)])
def test_the_search_in_bf16_has_the_gradients_of_float32(
    paths, batch_norm, small_batch
):
    variables = drawn(
        search_network("float32", batch_norm),
        small_batch.zero_filled,
        small_batch.measurement,
        gates(1),
    )

    def gradients(precision):
        def loss(weights, mix):
            return loss_and_image(
                search_network(precision, batch_norm),
                {"params": weights},
                small_batch,
                gates(paths)._replace(weights=mix),
            )[0]

        both = jax.jit(jax.grad(loss, argnums=(0, 1)))
        return both(variables["params"], gates(paths).weights)

    assert_close(gradients("bf16"), gradients("float32"), CLOSE_GRADIENT)


@pytest.mark.slow
def test_gradients_of_biases_and_gates_are_summed_in_float32():
    """A sum in bfloat16 stands still at 256 ones."""
    x = jnp.ones((1, 64, 64, WIDTH), jnp.bfloat16)
    kernel = jnp.zeros((3, 3, WIDTH, WIDTH))

    def sum_of(bias):
        return jnp.sum(convolve((x,), kernel, bias, precision="bf16").astype("float32"))

    ones = jax.grad(sum_of)
    np.testing.assert_array_equal(ones(jnp.zeros(WIDTH)), np.full(WIDTH, 64 * 64))

    cell = MixedCell(LayerSettings(WIDTH, "bf16"), stored=1)
    one = Gates(jnp.array([7]), jnp.ones(1))
    variables = drawn(cell, x, one)

    @jax.jit
    @jax.value_and_grad
    def total(weights):
        y: Any = cell.apply(variables, x, one._replace(weights=weights))
        assert y.dtype == jnp.bfloat16
        return jnp.sum(y.astype(jnp.float32))

    value, gradient = total(jnp.ones(1))
    np.testing.assert_allclose(gradient, [value], rtol=1e-3)


@pytest.mark.slow
def test_batch_norm_in_bf16_keeps_its_statistics_in_float32(small_batch):
    module = network("bf16", batch_norm=True)
    variables = module.init(
        jax.random.key(3), small_batch.zero_filled, small_batch.measurement
    )

    def run(precision):
        return jax.jit(
            lambda v: network(precision, True).apply(
                v,
                small_batch.zero_filled,
                small_batch.measurement,
                train=True,
                mutable=["batch_stats"],
            )
        )(variables)

    image, changed = run("bf16")
    expected, expected_changed = run("float32")
    assert_close(image, expected, CLOSE_IMAGE)
    assert_close(changed, expected_changed, CLOSE_GRADIENT)


def convolutions(jaxpr):
    """All convolutions of a traced function, in whatever they are nested."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "conv_general_dilated":
            yield equation
        for inner in jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda p: hasattr(p, "eqns")
        ):
            inner = getattr(inner, "jaxpr", inner)
            if hasattr(inner, "eqns"):
                yield from convolutions(inner)


@pytest.mark.parametrize(
    ("precision", "products", "maps"),
    [
        ("float32", jax.lax.Precision.HIGHEST, jnp.float32),
        ("tf32", jax.lax.Precision.HIGH, jnp.float32),
        ("bf16", jax.lax.Precision.DEFAULT, jnp.bfloat16),
    ],
)
def test_every_convolution_asks_for_it(precision, products, maps, weights, small_batch):
    """Without it GPUs would take TF32, and TPUs bfloat16, for float32."""
    search = search_network(precision)
    variables = drawn(
        search, small_batch.zero_filled, small_batch.measurement, gates(1)
    )

    def loss(weights):
        return loss_and_image(network(precision), {"params": weights}, small_batch)[0]

    def search_loss(variables):
        return loss_and_image(search, variables, small_batch, gates(1))[0]

    traced = [
        jax.make_jaxpr(jax.grad(loss))(weights),
        jax.make_jaxpr(jax.grad(search_loss))(variables),
    ]
    for function in traced:
        found = list(convolutions(function.jaxpr))
        assert len(found) > 10
        for equation in found:
            assert equation.params["precision"] == (products, products)
            assert {v.aval.dtype for v in equation.invars} == {jnp.dtype(maps)}
