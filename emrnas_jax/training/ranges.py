"""Ranges of settings of trainings."""

import math

from emrnas_jax.errors import InputError


def require_rates(section: str, settings: object, *names: str) -> None:
    """Check that settings are finite and not negative.

    Raises:
        InputError: one is not; the message has its key.
    """
    for name in names:
        value = getattr(settings, name)
        if not math.isfinite(value) or value < 0:
            raise InputError(f"{section}.{name}: found {value}; use 0 or more")


def require_momenta(section: str, settings: object, *names: str) -> None:
    """Check that settings are in [0, 1), as Adam's β₁ must be.

    Raises:
        InputError: one is not; the message has its key.
    """
    for name in names:
        value = getattr(settings, name)
        if not 0 <= value < 1:
            raise InputError(f"{section}.{name}: found {value}; use 0 to below 1")
