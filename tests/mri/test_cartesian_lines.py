"""The density of Cartesian lines, which sums to the rate."""

import numpy as np
import pytest

from emrnas_jax.mri.cartesian_lines import line_probability


@pytest.mark.parametrize("rate", [0.1, 0.15, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("count", [256, 65, 20])
def test_the_density_sums_to_the_rate(rate, count):
    probability = line_probability(rate, count)
    assert probability.max() <= 1
    np.testing.assert_allclose(probability.sum(), max(rate * count, 2), rtol=1e-9)


def test_the_density_is_the_published_formula_scaled():
    lines = np.array([0, 60, 100, 120, 126, 129, 140, 200])
    distance = np.abs(lines - 127.5)
    formula = (
        0.8034 * np.exp(-distance / 11.36)
        + 0.2184 * np.exp(-(distance**2) / (2 * 26.85**2))
        + 0.022
    )
    ratio = line_probability(0.15, 256)[lines] / formula
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)
    assert 0.99 < ratio[0] < 1
