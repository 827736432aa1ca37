"""The ways to store k-space outside the package, and the conversion to the package's.

A convention says where the zero frequency lies and whether the image is rolled; the
norm gives the factor of its Fourier transform. Inside the package k-space is `plain`
and `ortho`. Conversion happens once, where k-space enters.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex

from emrnas_jax.errors import InputError
from emrnas_jax.mri.fourier import from_centred_kspace

Kspace = Complex[np.ndarray, "frame *coil height width"]

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


# The ways in which a user declares a property of k-space, for messages that ask for it.
FLAG, ARGUMENT = "--kspace_{name}={value}", "{name}={value!r}"
CONFIG = "data.kspace_{name}={value}"


class Stated(NamedTuple):
    """One property of stored k-space, and who states it.

    Attributes:
        value: key of `CONVENTIONS` or `NORMS`.
        by: "given" by the user, "from the file", or "assumed" if neither states it.
    """

    value: str
    by: str

    def __str__(self) -> str:
        """Return the property in words, such as `centred (assumed)`."""
        return f"{self.value} ({self.by})"


class Storage(NamedTuple):
    """The stated convention and norm of stored k-space.

    Attributes:
        convention: key of `CONVENTIONS`, and who states it.
        norm: key of `NORMS`, and who states it.
        form: way in which the user declares these: `FLAG`, `ARGUMENT` or `CONFIG`.
    """

    convention: Stated
    norm: Stated
    form: str = FLAG

    def option(self, name: str, value: str) -> str:
        """Return the words that declare a value, such as `--kspace_norm=ortho`."""
        return self.form.format(name=name, value=value)

    def convert(self, kspace: Kspace) -> Kspace:
        """Return stored k-space in the package's convention, in the stored norm."""
        return CONVENTIONS[self.convention.value](kspace)

    def factor(self, height: int, width: int) -> float:
        """Return the ratio of stored k-space to orthonormal k-space."""
        return float((height * width) ** NORMS[self.norm.value])

    def __str__(self) -> str:
        """Return both in words, for the line that is printed for a file."""
        return f"k-space {self.convention}, norm {self.norm}"


def stated(
    given: str | None, in_file: str, assumed: str, known: dict, where: str
) -> Stated:
    """Return the user's statement, else the file's, else the usual value.

    Args:
        given: the user's value, empty or None if there is no such value.
        in_file: the file's value, empty if it has none.
        assumed: the usual value.
        known: `CONVENTIONS` or `NORMS`.
        where: name of the value in messages.

    Raises:
        InputError: the value is not a key of `known`.
    """
    if given:
        found = Stated(given, "given")
    elif in_file:
        found = Stated(in_file, "from the file")
    else:
        found = Stated(assumed, "assumed")
    if found.value not in known:
        raise InputError(
            f"{where}: found {found.value!r}; use one of {', '.join(known)}"
        )
    return found
