"""The variational network against fastMRI's, and what it does where that one fails.

`golden/varnet.npz` holds what facebookresearch/fastMRI at 91f2df4, under PyTorch 2.13,
made in double precision of a `VarNet(num_cascades=2, sens_chans=4, sens_pools=2,
chans=4, pools=2)`. Its weights were drawn by NumPy and are stored as half precision
under the names of `named_parameters`. The k-space of two frames and three coils is
centred, with masks of columns whose calibration lines differ. The outputs:

- `learned_maps`: `network.sens_net(kspace, mask)`;
- `rss`: `network(kspace, mask)`;
- `combined`: both cascades from the same k-space, but with `coil_maps`, and
  `sens_reduce` with these maps of what they return;
- `odd_output`: the U-Net of the first cascade on images `odd` of 21 x 18 pixels.
"""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.models.layers import EARLIER_IMAGES, LayerSettings
from emrnas_jax.models.networks import blank_inputs, build_network, parameter_count
from emrnas_jax.models.norm_unet import NormUNet
from emrnas_jax.models.varnet import CoilMapNetwork
from emrnas_jax.mri.fourier import from_centred_kspace, to_complex
from emrnas_jax.mri.measurement import Measurement, undersample, zero_filled
from tests.fixtures.operator_laws import random_complex, simulated_coil_maps

GOLDEN = Path(__file__).parent / "golden" / "varnet.npz"
TINY = {"components": 2, "width": 4, "map_width": 4}
CLOSE = 1e-5  # of the largest value; fastMRI in single precision is at 2e-6


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as file:
        return dict(file)


def unet_weights(golden, prefix):
    """Weights of a NormUnet in our tree; kernels as taps, inputs, outputs."""

    def own(name):
        return golden[f"weights/{prefix}.{name}"].astype(np.float32)

    def twice(name, place):
        return {
            f"{name}_conv_{j}": {
                "kernel": own(f"{place}.layers.{n}.weight").transpose(2, 3, 1, 0)
            }
            for j, n in ((1, 0), (2, 4))
        }

    def doubling(place):
        kernel = own(f"{place}.layers.0.weight").transpose(0, 2, 3, 1)
        return {"squares": {"kernel": kernel.reshape(len(kernel), -1)}}

    return {
        **twice("down_1", "unet.down_sample_layers.0"),
        **twice("down_2", "unet.down_sample_layers.1"),
        **twice("bottom", "unet.conv"),
        "doubling_2": doubling("unet.up_transpose_conv.0"),
        **twice("up_2", "unet.up_conv.0"),
        "doubling_1": doubling("unet.up_transpose_conv.1"),
        **twice("up_1", "unet.up_conv.1.0"),
        "last": {
            "kernel": own("unet.up_conv.1.1.weight")[..., 0, 0].T,
            "bias": own("unet.up_conv.1.1.bias"),
        },
    }


@pytest.fixture(scope="module")
def params(golden):
    return {
        "maps": {"unet": unet_weights(golden, "sens_net.norm_unet")},
        **{
            f"component_{n + 1}": {
                "unet": unet_weights(golden, f"cascades.{n}.model"),
                "step": golden[f"weights/cascades.{n}.dc_weight"][0].astype("float32"),
            }
            for n in (0, 1)
        },
    }


@pytest.fixture(scope="module")
def measurement(golden):
    """The golden k-space in this package's convention, zero frequency first."""
    kspace = from_centred_kspace(golden["kspace"])
    mask = np.fft.ifftshift(golden["mask"], axes=-1)[:, None]
    return Measurement(*map(jnp.asarray, (kspace, mask, golden["coil_maps"])))


def run(network, variables, *inputs) -> Any:
    return jax.jit(network.apply)(variables, *inputs)


def assert_as_golden(found, expected):
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=CLOSE * scale)


@pytest.mark.slow
def test_learned_maps_give_the_root_sum_of_squares_of_fastmri(
    golden, params, measurement
):
    network = build_network("varnet", TINY | {"learned_maps": True})
    found = run(network, {"params": params}, zero_filled(measurement), measurement)
    assert_as_golden(found[..., 0], golden["rss"])
    assert not found[..., 1].any()


def test_the_learned_maps_are_those_of_fastmri(golden, params, measurement):
    network = CoilMapNetwork(2, LayerSettings(4))
    found = run(network, {"params": params["maps"]}, *measurement[:2])
    assert_as_golden(found, golden["learned_maps"])


def test_given_maps_give_the_combined_image_of_fastmri(golden, params, measurement):
    network = build_network("varnet", TINY)
    given = {name: own for name, own in params.items() if name != "maps"}
    found = run(network, {"params": given}, zero_filled(measurement), measurement)
    assert_as_golden(to_complex(found), golden["combined"])


def test_sides_that_16_does_not_divide_are_padded_as_in_fastmri(golden, params):
    network = NormUNet(2, LayerSettings(4))
    weights = {"params": params["component_1"]["unet"]}
    found = run(network, weights, jnp.asarray(golden["odd"]))
    assert_as_golden(found, golden["odd_output"])


def test_a_transposed_measurement_gives_transposed_maps(measurement):
    """Masks of rows have calibration lines as well; the kernels turn with the image."""
    network = CoilMapNetwork(2, LayerSettings(4))
    draw = np.random.default_rng(0).standard_normal
    shapes = jax.eval_shape(network.init, jax.random.key(0), *measurement[:2])
    weights = jax.tree.map(
        lambda leaf: jnp.asarray(draw(leaf.shape), "float32"), shapes
    )

    def turned(path, leaf):
        if leaf.ndim == 4:
            return leaf.swapaxes(0, 1)
        if path[-2].key == "squares":
            squares = leaf.reshape(len(leaf), 2, 2, -1).swapaxes(1, 2)
            return squares.reshape(leaf.shape)
        return leaf

    upright = run(network, weights, *measurement[:2])
    across = (array.swapaxes(-1, -2) for array in measurement[:2])
    other = run(network, jax.tree.map_with_path(turned, weights), *across)
    np.testing.assert_allclose(other.swapaxes(-1, -2), upright, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "count"), [({}, 292_190), ({"learned_maps": True}, 321_408)]
)
def test_its_size_is_below_that_of_emr_nas(settings, count):
    network = build_network("varnet", settings)
    shapes = jax.eval_shape(network.init, jax.random.key(0), *blank_inputs())
    assert parameter_count(shapes["params"]) == count < 330_000


def scene(coils, kind="rows"):
    shapes = {"rows": (2, 12, 1), "full": (2, 12, 10)}
    mask = jnp.asarray(np.random.default_rng(1).random(shapes[kind]) < 0.6)
    maps = simulated_coil_maps(coils, 12, 10, frames=2) if coils else None
    measurement = undersample(random_complex(2, 2, 12, 10), mask, maps)
    return zero_filled(measurement), measurement


def drawn(network, *inputs):
    shapes = jax.eval_shape(network.init, jax.random.key(0), *inputs)
    draw = np.random.default_rng(0).uniform
    return jax.tree.map(
        lambda leaf: jnp.asarray(draw(-0.3, 0.4, leaf.shape), leaf.dtype), shapes
    )


@pytest.mark.slow
@pytest.mark.parametrize("learned_maps", [False, True])
@pytest.mark.parametrize(("coils", "kind"), [(0, "rows"), (3, "full")])
def test_gradients_are_finite_for_images_black_ones_and_dirty_samples(
    coils, kind, learned_maps
):
    image, measurement = scene(coils, kind)
    network = build_network("varnet", TINY | {"learned_maps": learned_maps})
    variables = drawn(network, image, measurement)
    mask = measurement.mask[:, None] if coils else measurement.mask
    dirty = jnp.where(mask, measurement.kspace, jnp.inf)

    @jax.jit
    @jax.value_and_grad
    def loss(variables, kspace):
        found: Any = network.apply(
            variables, image, measurement._replace(kspace=kspace)
        )
        return jnp.mean(found**2)

    clean, slope = loss(variables, measurement.kspace)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slope))
    # The first step sees the samples themselves, so that it has nothing to do.
    still = {"['params']['component_1']['step']"}
    flat = jax.tree.leaves_with_path(slope)
    assert {jax.tree_util.keystr(p) for p, leaf in flat if not leaf.any()} == still
    again, dirty_slope = loss(variables, dirty)
    assert again == clean
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(dirty_slope))
    black, slope = loss(variables, jnp.zeros_like(dirty))
    assert black == 0
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slope))


@pytest.mark.slow
def test_maps_of_the_measurement_do_not_count_where_they_are_learned():
    image, measurement = scene(3)
    network = build_network("varnet", TINY | {"learned_maps": True})
    variables = drawn(network, image, measurement)
    other = measurement._replace(coil_maps=simulated_coil_maps(3, 12, 10, 2)[:, ::-1])
    np.testing.assert_array_equal(
        run(network, variables, image, measurement),
        run(network, variables, image, other),
    )


@pytest.mark.slow
def test_the_order_of_coils_does_not_matter():
    image, measurement = scene(3)
    turned = measurement._replace(
        kspace=jnp.flip(measurement.kspace, 1),
        coil_maps=simulated_coil_maps(3, 12, 10, frames=2)[:, ::-1],
    )
    for learned_maps in (False, True):
        network = build_network("varnet", TINY | {"learned_maps": learned_maps})
        variables = drawn(network, image, measurement)
        found = run(network, variables, image, measurement)
        again = run(network, variables, image, turned)
        np.testing.assert_allclose(again, found, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("learned_maps", [False, True])
def test_the_image_after_the_first_component_is_that_of_one(learned_maps):
    image, measurement = scene(3)
    settings = TINY | {"learned_maps": learned_maps}
    network = build_network("varnet", settings)
    variables = drawn(network, image, measurement)
    _, kept = jax.jit(
        lambda v: network.apply(v, image, measurement, mutable=[EARLIER_IMAGES])
    )(variables)
    (earlier,) = jax.tree.leaves(kept)
    first = build_network("varnet", settings | {"components": 1})
    expected = run(first, variables, image, measurement)
    np.testing.assert_allclose(earlier, expected, atol=1e-4)


def test_only_feature_maps_are_of_half_precision():
    image, measurement = scene(3)
    network = build_network("varnet", TINY | {"precision": "bf16"})
    variables = drawn(network, image, measurement)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}

    def of_convolutions(module, _):
        return any("conv" in part or part == "last" for part in module.path)

    found, captured = jax.eval_shape(
        lambda v: network.apply(
            v,
            image,
            measurement,
            capture_intermediates=of_convolutions,
            mutable=["intermediates"],
        ),
        variables,
    )
    assert found.dtype == jnp.float32
    maps = jax.tree.leaves(captured)
    assert len(maps) == 2 * 11  # ten 3 x 3 convolutions and a last one in each U-Net
    assert {x.dtype for x in maps} == {jnp.dtype("bfloat16")}


@pytest.mark.parametrize("name", ["pools", "map_pools"])
@pytest.mark.parametrize("count", [0, 5])
def test_poolings_that_the_padding_does_not_allow_are_refused(name, count):
    with pytest.raises(InputError, match=f"varnet: {name}: found {count} poolings"):
        build_network("varnet", {name: count})
