import jax
import jax.numpy as jnp
import pytest

from emrnas_jax.evaluation.roofline import (
    ROOFLINE,
    Ceilings,
    Work,
    forward_work,
    fractions,
    measure_ceilings,
    roofline_figures,
)
from emrnas_jax.models.emrnas import fixed_network
from emrnas_jax.nas.space import PRESETS


def cardiac_params():
    network = fixed_network(PRESETS["cardiac"])
    image = jnp.zeros((1, 8, 8, 2))
    kspace, mask = jnp.zeros((1, 8, 8), jnp.complex64), jnp.zeros((1, 8, 1), bool)
    shapes = jax.eval_shape(network.init, jax.random.key(0), image, kspace, mask)
    return shapes["params"]


def test_a_frame_of_the_cardiac_network_costs_43_gflop():
    """The figure of the design, from the layers by hand."""
    operations, traffic = forward_work(cardiac_params(), 256 * 256)
    assert operations == pytest.approx(42.3e9, rel=0.01)
    assert traffic == pytest.approx(0.8e9, rel=0.2)


def test_half_the_bytes_in_half_the_precision():
    full, half = (forward_work(cardiac_params(), 64, p) for p in ("float32", "bf16"))
    assert half.operations == full.operations
    assert half.traffic == full.traffic / 2
    assert half.intensity == 2 * full.intensity


def test_fractions_are_of_the_ceilings():
    work, ceilings = Work(4e9, 2e8), Ceilings(1e11, 1e10)
    assert fractions(work, 5.0, ceilings) == pytest.approx((0.2, 0.1))
    assert fractions(work, 5.0, ceilings, passes=3) == pytest.approx((0.6, 0.3))


def test_the_figures_of_a_file_are_work_and_measured_ceilings():
    figures = roofline_figures(cardiac_params(), 256 * 256, "float32")
    assert tuple(figures) == ROOFLINE
    assert figures["gflop_per_frame"] == pytest.approx(42.3, rel=0.01)
    ceilings = measure_ceilings("float32")  # measured once
    assert figures["gflops_ceiling"] == ceilings.operations / 1e9
    assert figures["gbytes_per_second_ceiling"] == ceilings.traffic / 1e9
    assert all(value > 0 for value in figures.values())
