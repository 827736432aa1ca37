"""The config section `data`, checked where it enters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emrnas_jax.data.phantom import PhantomSettings
from emrnas_jax.data.readers.kspace_conventions import CONVENTIONS
from emrnas_jax.data.readers.source import require_whole
from emrnas_jax.data.targets import TargetKind, require_target
from emrnas_jax.errors import InputError
from emrnas_jax.machine.setting_types import section_of

# The least value of each numeric setting.
LEAST = {
    "height": 0,
    "width": 0,
    "sizes": 1,
    "downsample": 1,
    "frames_per_subject": 0,
    "subjects": 0,
    "coils": 0,
    "simulated_coils": 0,
}


@dataclass(frozen=True)
class DataSettings:
    """The images of an experiment and their size; one config section.

    Attributes:
        path: folder of files (or one file) of a known source, or "phantom".
        images: magnitude or complex. Complex sources and complete k-space give either.
        cache: folder of builds; it may be emptied at any time no run uses it.
        height: height of the central cut, pixels; 0 for each image's own height.
        width: width of the central cut, pixels; 0 for each image's own width.
        sizes: the most sizes that images may have after the cut. Where there are more,
            images of the rarest are cut further: `data.sizes`.
        downsample: side of the blocks of pixels that are then averaged; 1 for none.
        frames_per_subject: number of frames, evenly spaced over the subject; 0 for all.
        subjects: number of subjects, the first by name; 0 for all.
        kspace_convention: key of `kspace_conventions.CONVENTIONS` for files of k-space;
            "" for what the files state.
        fully_sampled: whether k-space with zero lines, such as padding, is complete.
        phantom: settings of `PhantomSettings`, used with path "phantom".
        coils: number of coils of files of k-space of several: they are compressed to
            it, or coils that see nothing are added. 0 for images of one coil.
        simulated_coils: number of coils that are simulated around complex images; 0 for
            none.
        target: key of `TargetKind`. `combined`: the image, or that which the maps of
            several coils combine. `rss`, for several coils: the root of the sum of
            their squares, with which magnitudes are compared.
    """

    path: str
    images: str = "magnitude"
    cache: str = "~/.cache/emrnas_jax"
    height: int = 256  # section 3
    width: int = 256
    sizes: int = 4
    downsample: int = 1
    frames_per_subject: int = 0
    subjects: int = 0
    kspace_convention: str = ""
    fully_sampled: bool = False
    phantom: Mapping[str, Any] = field(default_factory=dict)
    coils: int = 0
    simulated_coils: int = 0
    target: str = TargetKind.COMBINED.value

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            InputError: a value is out of range or unknown.
        """
        if self.images not in ("magnitude", "complex"):
            raise InputError(
                f"data.images: found {self.images!r}; use magnitude or complex"
            )
        if self.kspace_convention not in ("", *CONVENTIONS):
            raise InputError(
                f"data.kspace_convention: found {self.kspace_convention!r}; use one of "
                f"{', '.join(CONVENTIONS)}, or leave it empty for what the files state"
            )
        section_of(self.phantom, "data.phantom", PhantomSettings)
        for name, least in LEAST.items():
            require_whole(f"data.{name}", getattr(self, name), least)
        for name in ("coils", "simulated_coils"):
            if getattr(self, name) and self.images != "complex":
                raise InputError(
                    f"data.{name}: images of several coils are complex, and "
                    f"data.images is {self.images}; set it to complex"
                )
        if self.coils and self.simulated_coils:
            raise InputError(
                f"data.simulated_coils: found {self.simulated_coils} beside data.coils="
                f"{self.coils}; files have coils or get simulated ones, so set one to 0"
            )
        require_target(self.target, self.coils or self.simulated_coils)
        if self.height % self.downsample or self.width % self.downsample:
            raise InputError(
                f"data.downsample: {self.downsample} does not divide {self.height} x "
                f"{self.width}; change downsample, height or width"
            )
