"""How k-space outside the package is stored, and its conversion to the package's way.

A convention says where the zero frequency lies and whether the image is rolled; the
norm says what factor its Fourier transform had. Inside the package k-space is `plain`
and `ortho`. Conversion happens once, where k-space enters.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex

from emrnas_jax.errors import InputError
from emrnas_jax.mri.fourier import from_centred_kspace

Kspace = Complex[np.ndarray, "frame height width"]

# From each convention to the package's: `centred` is fastMRI's, with zero frequency and
# image origin in the middle; `shifted` has the zero frequency in the middle and an
# image that is not rolled; `plain` is the package's, that of NumPy's `fft2(image)`.
CONVENTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "centred": from_centred_kspace,
    "shifted": lambda kspace: np.fft.ifftshift(kspace, axes=(-2, -1)),
    "plain": lambda kspace: kspace,
}
# Where the zero frequency lies along both axes.
ORDERS = {"centred": "middle", "shifted": "middle", "plain": "first"}
# The power of the number of pixels by which a transform of this norm is larger than the
# orthonormal one; `backward` is NumPy's default.
NORMS: dict[str, float] = {"ortho": 0.0, "backward": 0.5}


class Stated(NamedTuple):
    """One property of stored k-space, and who states it.

    Attributes:
        value: a key of `CONVENTIONS` or `NORMS`.
        by: "given" by the user, "from the file", or "assumed" where nobody says it.
    """

    value: str
    by: str

    def __str__(self) -> str:
        """Return it in words, such as `centred (assumed)`."""
        return f"{self.value} ({self.by})"


class Storage(NamedTuple):
    """How k-space is stored, as far as it is stated.

    Attributes:
        convention: a key of `CONVENTIONS`.
        norm: a key of `NORMS`.
        is_flag: whether the user states it with flags, else with arguments.
    """

    convention: Stated
    norm: Stated
    is_flag: bool = True

    def option(self, name: str, value: str) -> str:
        """Return how a user states a value: `--kspace_norm=ortho`, `norm='ortho'`."""
        return f"--kspace_{name}={value}" if self.is_flag else f"{name}={value!r}"

    def convert(self, kspace: Kspace) -> Kspace:
        """Return stored k-space in the package's convention; its norm stays."""
        return CONVENTIONS[self.convention.value](kspace)

    def factor(self, height: int, width: int) -> float:
        """Return how many times stored k-space is larger than the orthonormal one."""
        return float((height * width) ** NORMS[self.norm.value])

    def __str__(self) -> str:
        """Return it in words, for the line of a file."""
        return f"k-space {self.convention}, norm {self.norm}"


def stated(
    given: str | None, in_file: str, assumed: str, known: dict, place: str
) -> Stated:
    """Return the statement that counts: the user's, else the file's, else the usual.

    Args:
        given: by the user; empty or None if nothing.
        in_file: stored in the file; empty if nothing.
        assumed: what holds where nobody says anything.
        known: `CONVENTIONS` or `NORMS`.
        place: what the value is called in a message.

    Raises:
        InputError: the value is not known.
    """
    if given:
        found = Stated(given, "given")
    elif in_file:
        found = Stated(in_file, "from the file")
    else:
        found = Stated(assumed, "assumed")
    if found.value not in known:
        raise InputError(
            f"{place}: found {found.value!r}; use one of {', '.join(known)}"
        )
    return found
