"""How numbers are written."""

import math

import pytest

from emrnas_jax.reporting.numbers import counted, number, percent, signed


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (1.005, 1, "1.0"),
        (-0.4, 2, "−0.40"),
        (12345.678, 0, "12346"),
        (math.inf, 2, "inf"),
        (-math.inf, 2, "−inf"),
        (math.nan, 2, "–"),
        (None, 2, "–"),
    ],
)
def test_a_number_has_its_decimals_and_a_true_minus(value, digits, text):
    assert number(value, digits) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "+0.00"), (0.5, "+0.50"), (-2.0, "−2.00"), (math.nan, "–")],
)
def test_a_difference_always_has_its_sign(value, text):
    assert signed(value, 2) == text


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0.15, "15 %"), (0.1525, "15.2 %"), (1.0, "100 %"), (0.0, "0 %"), (0.0004, "0 %")],
)
def test_a_percentage_has_one_decimal_where_it_says_something(fraction, text):
    assert percent(fraction) == text.replace(" ", "\u00a0")


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 runs"), (1, "1 run"), (1200, "1,200 runs")]
)
def test_a_count_has_its_noun(count, text):
    assert counted(count, "run") == text
