"""The config section `sampling`, which may name a file of masks.

Compiled steps take `mri.sampling.Sampling`, which holds the masks themselves.
`config.json` and `network.json` keep the settings, so a network can be read without its
file of masks, as long as no mask is drawn.
"""

from dataclasses import dataclass

from emrnas_jax.data.readers.mask_files import read_masks
from emrnas_jax.errors import InputError
from emrnas_jax.mri.sampling import Sampling, require_noise, require_possible


@dataclass(frozen=True)
class SamplingSettings:
    """The settings of `Sampling`, with a file in place of its masks.

    Attributes:
        kind: key of `mri.sampling.KINDS`.
        rate: fraction of the lines, or points, that is measured, in (0, 1].
        center_fraction: fraction of the lines that is always measured, in [0, rate]; of
            both sides, in [0, 1], where points are measured.
        phase_encode: axis along which lines are left out, `rows` or `columns`.
        file: path of the masks of kind `file`, otherwise empty; see `read_masks`.
        other_rates: more rates, separated by commas. Each mask has `rate` or one of
            these, all as likely, so that one network learns them all.
        other_center_fractions: as many center fractions for them, separated by commas;
            empty for `center_fraction`.
        noise: standard deviation of the noise that is added to the real and imaginary
            part of every measured sample, at least 0; images have the intensity 1.
    """

    kind: str = Sampling.kind
    rate: float = Sampling.rate
    center_fraction: float = Sampling.center_fraction
    phase_encode: str = Sampling.phase_encode
    file: str = ""
    other_rates: str = ""
    other_center_fractions: str = ""
    noise: float = Sampling.noise

    def __post_init__(self) -> None:
        """Check the values, but do not open the file.

        Raises:
            InputError: a value is out of range, or the file and the kind do not fit.
        """
        for rate, center_fraction in self.pairs:
            require_possible(self.kind, rate, center_fraction, self.phase_encode)
        require_noise(self.noise)
        if self.kind == "file" and self.other_rates:
            raise InputError(
                f"sampling.other_rates: {self.other_rates} is not used by kind 'file', "
                "whose masks have the rates that they have; leave it empty"
            )
        if self.kind == "file" and not self.file:
            raise InputError("sampling.file: kind 'file' needs a file of masks")
        # A forgotten kind would draw other masks than the user named.
        if self.kind != "file" and self.file:
            raise InputError(
                f"sampling.file: {self.file} is not used by kind {self.kind!r}; "
                "set sampling.kind to 'file' or leave the file empty"
            )

    @property
    def pairs(self) -> tuple[tuple[float, float], ...]:
        """All pairs of a rate and its center fraction, one of which each mask has.

        Raises:
            InputError: one is not a number, or there are more or fewer center fractions
                than other rates.
        """
        rates = _numbers("sampling.other_rates", self.other_rates)
        fractions = _numbers(
            "sampling.other_center_fractions", self.other_center_fractions
        )
        if fractions and len(fractions) != len(rates):
            raise InputError(
                f"sampling.other_center_fractions: found {len(fractions)} for "
                f"{len(rates)} values of sampling.other_rates; give as many, or none"
            )
        fractions = fractions or [self.center_fraction] * len(rates)
        others = zip(rates, fractions, strict=True)
        return ((self.rate, self.center_fraction), *others)

    def load(self) -> Sampling:
        """Read the file, if there is one, and return how masks are drawn.

        Raises:
            InputError: the file cannot be used.
        """
        # Here alone: settings are compared and stored where the file may be missing.
        masks = read_masks(self.file) if self.kind == "file" else None
        (rate, center_fraction), *others = self.pairs
        return Sampling(
            *(self.kind, rate, center_fraction, self.phase_encode, masks),
            others=tuple(others),
            noise=self.noise,
        )


def _numbers(key: str, text: str) -> list[float]:
    """Return numbers that commas separate, none for an empty text."""
    try:
        return [float(part) for part in text.split(",")] if text else []
    except ValueError:
        raise InputError(
            f"{key}: expected numbers separated by commas, found {text!r}"
        ) from None
