import flax.linen as nn
import pytest

from emrnas_jax.evaluation.roofline import (
    Ceilings,
    Work,
    forward_work,
    fractions,
    measure_ceilings,
    roofline_figures,
)
from emrnas_jax.models.emrnas import fixed_network
from emrnas_jax.models.layers import LayerSettings
from emrnas_jax.models.networks import build_network
from emrnas_jax.nas.space import PRESETS
from emrnas_jax.runs.results import ROOFLINE

CARDIAC = fixed_network(PRESETS["cardiac"], LayerSettings(16))


def test_a_frame_of_the_cardiac_network_costs_43_gflop():
    """The figure of the design, from the layers by hand."""
    operations, traffic = forward_work(CARDIAC, (256, 256))
    assert operations == pytest.approx(42.3e9, rel=0.01)
    assert traffic == pytest.approx(0.8e9, rel=0.2)


def test_half_the_bytes_in_half_the_precision():
    full, half = (forward_work(CARDIAC, (8, 8), p) for p in ("float32", "bf16"))
    assert half.operations == full.operations
    assert half.traffic == full.traffic / 2
    assert half.intensity == 2 * full.intensity


def per_pixel(name, shape=(64, 64), **settings):
    operations, traffic = forward_work(build_network(name, settings), shape)
    return operations / (2 * 64 * 64), traffic / (4 * 64 * 64)


def test_kernels_that_run_again_count_again():
    ends, layers = 2 * 9 * 2 * 32, 3 * 9 * 32 * 32
    for recursions in (1, 3):
        products, values = per_pixel("rdn", components=2, recursions=recursions)
        assert products == 2 * (ends + recursions * layers)
        assert values == 2 * (2 * 34 + recursions * 3 * 64)


def test_1x1_convolutions_count_as_the_products_they_are():
    products, values = per_pixel("cddntdc", components=1, layers=1)
    first, layer = 9 * 2 * 16, 16 * 16 + 9 * 16 * 16
    assert products == first + layer + 32 * 16 + 9 * 16 * 2
    assert values == (2 + 16) + (16 + 16) * 2 + (32 + 16) + (16 + 2)


@pytest.mark.parametrize("shape", [(64, 64), (59, 57)])
def test_lower_resolutions_have_fewer_pixels_and_padding_has_some(shape):
    """The layers of U-Net by hand, from full resolution down."""
    products, _ = per_pixel("unet", shape, width=4)
    level = [4, 8, 16, 24]
    down = [
        9 * (i * o + o * o) / 4**j
        for j, (i, o) in enumerate(zip([2, *level], level, strict=False))
    ]
    up = [
        (9 * (2 * o * o + o * o) + i * 4 * o / 4) / 4**j
        for j, (i, o) in enumerate(zip(level[1:], level, strict=False))
    ]
    assert products == pytest.approx(sum(down) + sum(up) + 4 * 2)


def test_a_network_without_kernels_has_no_work():
    class Nothing(nn.Module):
        def __call__(self, zero_filled, _measurement):
            return zero_filled

    assert forward_work(Nothing(), (8, 8)) == (0, 0)


def test_fractions_are_of_the_ceilings():
    work, ceilings = Work(4e9, 2e8), Ceilings(1e11, 1e10)
    assert fractions(work, 5.0, ceilings) == pytest.approx((0.2, 0.1))
    assert fractions(work, 5.0, ceilings, passes=3) == pytest.approx((0.6, 0.3))


def test_the_figures_of_a_file_are_work_and_measured_ceilings():
    figures = roofline_figures(CARDIAC, (256, 256), "float32")
    assert tuple(figures) == ROOFLINE
    assert figures["gflop_per_frame"] == pytest.approx(42.3, rel=0.01)
    ceilings = measure_ceilings("float32")  # measured once
    assert figures["gflops_ceiling"] == ceilings.operations / 1e9
    assert figures["gbytes_per_second_ceiling"] == ceilings.traffic / 1e9
    assert all(value > 0 for value in figures.values())
