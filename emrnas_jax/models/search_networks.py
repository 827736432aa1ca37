"""The search networks by the kind of network whose architecture they find."""

from collections.abc import Mapping
from typing import Any

from emrnas_jax.models.emrnas import SearchNetwork as PaperSearchNetwork
from emrnas_jax.models.wide import WideSearchNetwork
from emrnas_jax.nas.space import OPERATIONS, Operation
from emrnas_jax.nas.wide_space import WIDE

SearchNetwork = PaperSearchNetwork | WideSearchNetwork


def search_network(kind: str, settings: Mapping[str, Any]) -> SearchNetwork:
    """Return the search network of a kind of network.

    Args:
        kind: key of `models.networks.NETWORKS`, one with an architecture.
        settings: arguments of its constructor, without the architecture.
    """
    return (WideSearchNetwork if kind == "wide" else PaperSearchNetwork)(**settings)


def operations_of(kind: str) -> tuple[Operation, ...]:
    """Return the candidates that the package has for a kind of network."""
    return WIDE if kind == "wide" else OPERATIONS
