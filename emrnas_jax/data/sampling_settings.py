"""The config section `sampling`, which may name a file of masks.

Compiled steps take `mri.sampling.Sampling`, which holds the masks themselves.
`config.json` and `network.json` keep the settings, so a network can be read without its
file of masks, as long as no mask is drawn.
"""

from dataclasses import dataclass

from emrnas_jax.data.readers.mask_files import read_masks
from emrnas_jax.errors import InputError
from emrnas_jax.mri.sampling import Sampling, require_possible


@dataclass(frozen=True)
class SamplingSettings:
    """The settings of `Sampling`, with a file in place of its masks.

    Attributes:
        kind: key of `mri.sampling.KINDS`.
        rate: fraction of the lines that is measured, in (0, 1].
        center_fraction: fraction of the lines that is always measured, in [0, rate].
        phase_encode: axis along which lines are left out, `rows` or `columns`.
        file: path of the masks of kind `file`, otherwise empty; see `read_masks`.
    """

    kind: str = Sampling.kind
    rate: float = Sampling.rate
    center_fraction: float = Sampling.center_fraction
    phase_encode: str = Sampling.phase_encode
    file: str = ""

    def __post_init__(self) -> None:
        """Check the values, but do not open the file.

        Raises:
            InputError: a value is out of range, or the file and the kind do not fit.
        """
        require_possible(self.kind, self.rate, self.center_fraction, self.phase_encode)
        if self.kind == "file" and not self.file:
            raise InputError("sampling.file: kind 'file' needs a file of masks")
        # A forgotten kind would draw other masks than the user named.
        if self.kind != "file" and self.file:
            raise InputError(
                f"sampling.file: {self.file} is not used by kind {self.kind!r}; "
                "set sampling.kind to 'file' or leave the file empty"
            )

    def load(self) -> Sampling:
        """Read the file, if there is one, and return how masks are drawn.

        Raises:
            InputError: the file cannot be used.
        """
        # Here alone: settings are compared and stored where the file may be missing.
        masks = read_masks(self.file) if self.kind == "file" else None
        return Sampling(
            self.kind, self.rate, self.center_fraction, self.phase_encode, masks
        )
