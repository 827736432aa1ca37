"""Checks that the settings of a search and those of a training share."""

import math
from collections.abc import Iterable

from emrnas_jax.errors import InputError


def require_known(
    section: str, settings: object, name: str, known: Iterable[str]
) -> None:
    """Check that a setting is one of some names.

    Raises:
        InputError: it is another one; the message has its key and the names.
    """
    found = getattr(settings, name)
    if found not in known:
        raise InputError(
            f"{section}.{name}: found {found!r}; choose one of {', '.join(known)}"
        )


def require_rates(section: str, settings: object, *names: str) -> None:
    """Check that settings are finite and not negative.

    Raises:
        InputError: a value is outside its range; the message has its key.
    """
    for name in names:
        value = getattr(settings, name)
        # Zero is allowed: it turns a decay off.
        if not math.isfinite(value) or value < 0:
            raise InputError(f"{section}.{name}: found {value}; use 0 or more")


def require_counts(section: str, settings: object, *names: str) -> None:
    """Check that settings are not negative.

    Raises:
        InputError: a value is negative; the message has its key.
    """
    for name in names:
        if getattr(settings, name) < 0:
            raise InputError(
                f"{section}.{name}: found {getattr(settings, name)}; use 0 or more"
            )


def require_momenta(section: str, settings: object, *names: str) -> None:
    """Check that settings are in [0, 1), as Adam's β₁ and β₂ must be.

    Raises:
        InputError: a value is outside its range; the message has its key.
    """
    for name in names:
        value = getattr(settings, name)
        # At 1 the mean of the gradients would never leave its first value, 0.
        if not 0 <= value < 1:
            raise InputError(f"{section}.{name}: found {value}; use 0 to below 1")
