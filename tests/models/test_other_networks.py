"""Networks without a search: sizes, consistency, precision, gradients."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.models.networks import blank_inputs, build_network, parameter_count
from emrnas_jax.models.unet import Doubling, halve
from emrnas_jax.mri.fourier import fft2, to_complex

# Settings that make each network small.
SMALL = {
    "unet": {"width": 4},
    "dccnn": {"components": 2, "layers": 1, "width": 4},
    "rdn": {"components": 2, "layers": 2, "width": 4},
    "cddntdc": {"components": 1, "layers": 2, "width": 4},
    "half_resolution": {"components": 2, "layers": 1, "width": 8, "memory": 4},
    "modl": {"components": 2, "layers": 1, "width": 4},
}


def initial_shapes(network, batch):
    return jax.eval_shape(
        network.init, jax.random.key(0), batch.zero_filled, batch.measurement
    )


def draw(shapes):
    random = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: jnp.asarray(random.uniform(0, 0.3, leaf.shape), leaf.dtype), shapes
    )


def apply(network, variables, *batch, **options):
    """Apply a network as one program: compiling each of its steps takes longer."""
    run: Any = jax.jit(partial(network.apply, **options))
    return run(variables, *batch)


def small_network(name, batch, **settings):
    network = build_network(name, SMALL[name] | settings)
    return network, draw(initial_shapes(network, batch))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("dccnn", 144_650),
        ("rdn", 144_650),
        ("cddntdc", 59_930),
        ("unet", 1_560_674),
        ("half_resolution", 310_988),
        ("dccnn_matched", 329_610),
        ("rdn_matched", 329_610),
        ("cddntdc_matched", 330_970),
    ],
)
def test_the_parameters_are_those_published(name, parameters, small_batch):
    shapes = initial_shapes(build_network(name, {}), small_batch)
    assert parameter_count(shapes["params"]) == parameters


@pytest.mark.parametrize("consistency", ["single", "two_step", "real"])
@pytest.mark.parametrize("name", SMALL)
def test_measured_samples_survive(name, consistency, small_batch):
    network, variables = small_network(name, small_batch, consistency=consistency)
    image = apply(network, variables, small_batch.zero_filled, small_batch.measurement)
    assert np.abs(image - small_batch.zero_filled).max() > 0.01
    kspace, mask, _ = small_batch.measurement
    mask = jnp.broadcast_to(mask, kspace.shape)
    found = fft2(to_complex(image))[mask]
    scale = np.abs(image).max()
    np.testing.assert_allclose(found, kspace[mask], atol=1e-4 * scale)


@pytest.mark.parametrize("name", SMALL)
def test_only_feature_maps_are_of_half_precision(name, small_batch):
    network, variables = small_network(name, small_batch, precision="bf16")
    image, captured = jax.eval_shape(
        lambda v: network.apply(
            v,
            small_batch.zero_filled,
            small_batch.measurement,
            capture_intermediates=True,
            mutable=["intermediates"],
        ),
        variables,
    )
    assert image.dtype == jnp.float32
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    # Images have one channel or two.
    frames, images = 2, {(2, 8, 8, 1), (2, 8, 8, 2)}
    # Weights that a module hands to functions are captured too; they are no maps.
    leaves = [x for x in jax.tree.leaves(captured) if x.shape[:1] == (frames,)]
    maps = [x for x in leaves if x.shape not in images]
    assert maps
    assert {x.dtype for x in maps} == {jnp.dtype("bfloat16")}


@pytest.mark.parametrize("shape", [(13, 10), (5, 3)])
def test_unet_takes_sizes_that_8_does_not_divide(shape):
    network = build_network("unet", SMALL["unet"])
    found: Any = jax.eval_shape(
        lambda: network.init_with_output(jax.random.key(0), *blank_inputs(*shape))[0]
    )
    assert found.shape == (1, *shape, 2)


def test_pixels_of_the_padding_do_not_come_back():
    """The change at the last row is that of the padded image's same row."""
    random = np.random.default_rng(0)
    image = jnp.asarray(random.random((1, 8, 16, 2), np.float32)).at[:, 5:].set(0)
    network = build_network("unet", SMALL["unet"])

    def change(image):
        _, nothing = blank_inputs(*image.shape[1:3])
        shapes = jax.eval_shape(network.init, jax.random.key(0), image, nothing)
        return apply(network, draw(shapes), image, nothing)

    np.testing.assert_allclose(change(image[:, :5]), change(image)[:, :5], rtol=1e-4)


def test_halving_takes_maxima_and_doubling_is_the_transposed_convolution():
    x = jnp.arange(32.0).reshape(1, 4, 4, 2)
    np.testing.assert_array_equal(halve(x), x[:, 1::2, 1::2])
    module = Doubling(3)
    variables = draw(jax.eval_shape(module.init, jax.random.key(0), x))
    # Rows and columns of the 2 x 2 kernel are those of the product's channels.
    kernel = variables["params"]["squares"]["kernel"].reshape(2, 2, 2, 3)
    expected = jnp.einsum("bhwi,iuvo->bhuwvo", x, kernel).reshape(1, 8, 8, 3)
    bias = variables["params"]["bias"][None, None, None]
    found = apply(module, variables, x)
    np.testing.assert_allclose(found, expected + bias, rtol=1e-5)


def test_recursions_of_rdn_share_their_weights(small_batch):
    thrice, variables = small_network("rdn", small_batch)
    once = build_network("rdn", SMALL["rdn"] | {"recursions": 1})
    assert initial_shapes(once, small_batch) == initial_shapes(thrice, small_batch)
    images = [
        apply(n, variables, small_batch.zero_filled, small_batch.measurement)
        for n in (once, thrice)
    ]
    assert np.abs(images[0] - images[1]).max() > 0.01


def test_batch_statistics_move_in_training_and_only_then(small_batch):
    network, variables = small_network("cddntdc", small_batch)
    for train in (True, False):
        _, changed = apply(
            network,
            variables,
            small_batch.zero_filled,
            small_batch.measurement,
            train=train,
            mutable=["batch_stats"],
        )
        before = jax.tree.leaves(variables["batch_stats"])
        after = jax.tree.leaves(changed["batch_stats"])
        moved = [bool((a != b).any()) for a, b in zip(after, before, strict=True)]
        assert all(moved) if train else not any(moved)
