"""The first components of a trained cascade as a faster network.

With deep supervision every component learned to end in a good image, so each number of
first components is a network of its own: less time for a little less quality.
"""

from collections.abc import Mapping
from typing import Any

from jaxtyping import PyTree
from msgspec import structs

from emrnas_jax.errors import InputError
from emrnas_jax.models.record import NetworkRecord


def first_components(
    record: NetworkRecord,
    variables: Mapping[str, PyTree],
    training: Mapping[str, Any],
    count: int,
) -> tuple[NetworkRecord, dict[str, PyTree]]:
    """Return the record and the variables of a cascade's first components.

    Args:
        record: record of the cascade.
        variables: its weights, and statistics of batch norm.
        training: settings of its training.
        count: number of components.

    Raises:
        InputError: the network has no such components, or did not learn to end after
            them.
    """
    every = record.settings.get("components")
    if every is None or "architecture" in record.settings:
        raise InputError(
            f"--components={count}: {record.kind} cannot be cut; leave it out"
        )
    if not 1 <= count <= every:
        raise InputError(
            f"--components={count}: {record.name} has {every} components; use 1 to "
            f"{every}"
        )
    if count < every and not training.get("deep_supervision"):
        raise InputError(
            f"--components={count}: {record.name} was trained without deep "
            "supervision, so its earlier images mean nothing; train it with "
            "retrain.deep_supervision=1.0"
        )
    # Weights that all components share, as those of MoDL, stay.
    left_out = {f"component_{n}" for n in range(count + 1, every + 1)}
    kept = {
        kind: {name: leaf for name, leaf in tree.items() if name not in left_out}
        for kind, tree in variables.items()
    }
    settings = record.settings | {"components": count}
    return structs.replace(record, settings=settings), kept
