"""`network.json`: the record from which a trained network is built again."""

from dataclasses import asdict
from pathlib import Path

import flax.linen as nn
from msgspec import Struct, structs

from emrnas_jax.data.sampling_settings import SamplingSettings
from emrnas_jax.data.targets import TargetKind
from emrnas_jax.errors import InputError
from emrnas_jax.machine.json_files import read_json, write_json
from emrnas_jax.models.networks import build_network
from emrnas_jax.models.search_networks import operations_of
from emrnas_jax.mri.sampling import Sampling
from emrnas_jax.nas.operation_tables import completed_operations, with_newer
from emrnas_jax.nas.space import (
    OPERATIONS,
    TABLE_1,
    Operation,
    architecture_named,
)

WAY_OUT = "give the folder of a run, or of one of its networks (RUN/fold_1/emrnas)"


class NetworkRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that builds a trained network again, except its weights.

    Attributes:
        name: name of the network in the run.
        settings: arguments of its constructor.
        sampling: arguments of `SamplingSettings`, the masks it was trained for.
        images: "magnitude" or "complex", the targets it was trained for.
        shape: height and width of the training images, pixels; the most frequent ones.
        seed: the run's seed.
        kind: key of `NETWORKS`; its name unless given.
        coils: number of coils of the training images; 0 for images of one coil.
        target: kind of target of several coils that it was trained for.
        operations: those of its architecture, if it has one. Records of older versions
            name them alone; then they are those of Table 1, or of now.
        other_shapes: the less frequent heights and widths.
    """

    name: str
    settings: dict
    sampling: dict
    images: str
    shape: tuple[int, int]
    seed: int
    kind: str = ""
    operations: tuple[Operation, ...] = ()
    coils: int = 0
    target: TargetKind = TargetKind.COMBINED
    other_shapes: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        if not self.kind:
            structs.force_setattr(self, "kind", self.name)
        if not self.operations and "architecture" in self.settings:
            now, text = operations_of(self.kind), self.settings["architecture"]
            known = with_newer(TABLE_1 if now is OPERATIONS else now, now)
            used = architecture_named(text, known).used
            structs.force_setattr(self, "operations", used)

    @property
    def returns(self) -> str:
        """The images that it returns: "complex", or "magnitude" without a phase."""
        # Of an image that was compared as a magnitude, the phase was never learned.
        return "magnitude" if self.target is TargetKind.RSS else self.images

    @property
    def shapes_in_words(self) -> str:
        """The sizes of the training images, such as 640 x 368 or 640 x 372."""
        shapes = (self.shape, *self.other_shapes)
        return " or ".join(f"{height} x {width}" for height, width in shapes)

    def build(self) -> nn.Module:
        """Return the network, of the operations that the record has."""
        settings = dict(self.settings)
        if self.operations:
            text = settings["architecture"]
            settings["architecture"] = architecture_named(text, self.operations)
        return build_network(self.kind, settings, self.name)

    def in_precision(self, precision: str) -> "NetworkRecord":
        """Return the record with another precision of the convolutions."""
        return structs.replace(self, settings=self.settings | {"precision": precision})

    def load_sampling(self) -> Sampling:
        """Return the masks that the network was trained for, read from their file.

        Not done with the record: the file may be elsewhere by now, and only complete
        images need it.

        Raises:
            InputError: the file of masks cannot be used.
        """
        return SamplingSettings(**self.sampling).load()

    def write(self, path: Path) -> None:
        """Write the record as JSON."""
        write_json(path, self)

    @staticmethod
    def read(path: Path) -> "NetworkRecord":
        """Read a record.

        Raises:
            InputError: the file is missing or damaged.
        """
        if not path.exists():
            raise InputError(
                f"{path} is missing: this is no trained network; {WAY_OUT}"
            )
        found = read_json(path, NetworkRecord, WAY_OUT)
        try:
            record = structs.replace(
                found,
                # Records of older versions lack settings that came later.
                sampling=asdict(SamplingSettings(**found.sampling)),
                operations=found.operations and completed_operations(found.operations),
            )
            record.build()
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{path}: damaged ({error}); {WAY_OUT}") from error
        return record
