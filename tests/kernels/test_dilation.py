"""The forms of a dilated convolution against each other and a plain loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.kernels.convolution import convolve
from emrnas_jax.kernels.xla import FORMS, SPACE_TO_BATCH_ON, join, split

# Divisible by 4, by 2 alone, by neither, and smaller than the reach of the kernel.
SIZES = [(8, 8), (6, 7), (5, 9), (3, 2)]


def draw(seed, *shape):
    numbers = np.random.default_rng(seed).standard_normal(shape)
    return jnp.asarray(numbers, jnp.float32)


def by_loops(x, kernel, dilation):
    """The sum over taps of the shifted image, zeros outside."""
    _, height, width, _ = x.shape
    d = dilation
    padded = np.pad(np.asarray(x, float), ((0, 0), (d, d), (d, d), (0, 0)))
    return sum(
        padded[:, i * d : i * d + height, j * d : j * d + width] @ kernel[i, j]
        for i, j in np.ndindex(3, 3)
    )


@pytest.mark.parametrize("dilation", [1, 2, 4])
@pytest.mark.parametrize("size", SIZES)
def test_every_form_is_the_convolution_with_its_gradients(size, dilation):
    x, kernel, dy = draw(0, 2, *size, 3), draw(1, 3, 3, 3, 2), draw(2, 2, *size, 2)
    expected = by_loops(x, np.asarray(kernel, float), dilation)

    # The convolution is linear in both, so its gradients are its transposes: for unit
    # vectors e, <dy, convolve(x, e)> is one entry of the kernel's gradient.
    unit = np.eye(kernel.size).reshape(-1, *kernel.shape)
    dkernel = [np.sum(np.asarray(dy) * by_loops(x, e, dilation)) for e in unit]
    turned = np.asarray(kernel, float)[::-1, ::-1].swapaxes(2, 3)
    dx = by_loops(dy, turned, dilation)
    for name, form in FORMS.items():
        # One program: alone, each of its operations is compiled anew for every shape.
        @jax.jit
        def results(x, kernel, dy, form=form):
            y, pullback = jax.vjp(
                lambda x, k: form.convolution(x, k, dilation, "float32"), x, kernel
            )
            own = form.kernel_gradient(x, dy, dilation, "float32")
            return y, (*pullback(dy), own)

        y, found = results(x, kernel, dy)
        np.testing.assert_allclose(y, expected, atol=1e-4, err_msg=name)
        np.testing.assert_allclose(found[0], dx, atol=1e-4, err_msg=name)
        for gradient in found[1:]:
            np.testing.assert_allclose(
                np.ravel(gradient), dkernel, atol=1e-4, err_msg=name
            )


@pytest.mark.parametrize("size", SIZES)
def test_sub_images_are_every_dth_row_and_column_and_go_together_again(size):
    x = draw(3, 2, *size, 1)
    parts = split(x, 4)
    np.testing.assert_array_equal(join(parts, 4, *size), x)
    part = x[1, 1::4, 2::4]  # of row 1 and column 2, of the second image
    of_parts = parts[(1 * 4 + 2) * 2 + 1]
    np.testing.assert_array_equal(of_parts[: part.shape[0], : part.shape[1]], part)


@pytest.mark.parametrize("platform", ["cpu", "tpu", *SPACE_TO_BATCH_ON])
@pytest.mark.parametrize("dilation", [1, 2])
def test_a_gpu_never_sees_a_dilated_kernel(platform, dilation):
    # The C++ kernels take 4 channels, but on the CPU alone; they leave 2 to XLA there.
    channels = 2 if platform == "cpu" else 4
    x, kernel = draw(4, 1, 8, 8, channels), draw(5, 3, 3, channels, channels)

    def loss(x, kernel):
        y = convolve((x,), kernel, jnp.zeros(channels), dilation)
        return jnp.sum(y**2)

    gradient = jax.jit(jax.grad(loss, argnums=(0, 1)))
    program = jax.export.export(gradient, platforms=[platform])(x, kernel)
    text = program.mlir_module()
    assert "stablehlo.convolution" in text
    dilated = "rhs_dilate = [2, 2]" in text or "stride = [2, 2]" in text
    assert dilated == (dilation == 2 and platform not in SPACE_TO_BATCH_ON)


def test_both_forms_work_in_bf16():
    x, kernel, dy = draw(6, 1, 8, 8, 2), draw(7, 3, 3, 2, 2), draw(8, 1, 8, 8, 2)
    low, low_dy = x.astype(jnp.bfloat16), dy.astype(jnp.bfloat16)
    for form in FORMS.values():
        y = form.convolution(low, kernel, 2, "bf16")
        assert y.dtype == jnp.bfloat16
        exact = form.convolution(x, kernel, 2, "float32")
        np.testing.assert_allclose(y.astype(jnp.float32), exact, atol=0.1)
        gradient = form.kernel_gradient(low, low_dy, 2, "bf16")
        assert gradient.dtype == jnp.float32
        exact = form.kernel_gradient(x, dy, 2, "float32")
        np.testing.assert_allclose(gradient, exact, atol=0.2)
