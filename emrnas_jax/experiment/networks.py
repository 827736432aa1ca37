"""The networks of a run, and the searches that find their architectures.

A run compares networks by name. Two networks of one kind differ in their settings:
`emrnas` and `ablation_b`, `dccnn` and `dccnn_real`. Networks whose searches would be
the same share one.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp

from emrnas_jax.errors import InputError
from emrnas_jax.machine.setting_types import Section, require_types, section_of
from emrnas_jax.models.networks import (
    build_network,
    complete_settings,
    takes_architecture,
)
from emrnas_jax.models.search_networks import (
    SearchNetwork,
    operations_of,
    search_network,
)
from emrnas_jax.nas.gates import draw_choices
from emrnas_jax.nas.operation_tables import with_newer
from emrnas_jax.nas.space import (
    Architecture,
    Operation,
    absent_in,
    architecture_named,
)
from emrnas_jax.randomness import key_for
from emrnas_jax.runs.folder import FIRST, search_folder_name
from emrnas_jax.runs.front import PLACE
from emrnas_jax.training.retrain_settings import RetrainSettings
from emrnas_jax.training.search_settings import (
    CANDIDATES,
    SearchSettings,
    require_paths,
)

# Where an architecture comes from, unless the setting spells it out or names a preset.
ENSEMBLE = "ensemble"  # the folds' searches together, as the paper's
FOLD = "fold"  # each fold's own search: Table 3, E
FRONT = "front"  # a place of a search's front, as `runs.front.PLACE` has it
RANDOM = "random"  # drawn from the seed and the network's name: Table 3, D
SEARCHED = (ENSEMBLE, FOLD, FRONT)

Candidates = Callable[[str], tuple[Operation, ...]]


@dataclass(frozen=True)
class RunNetwork:
    """One network of a run.

    Attributes:
        name: name in the run, which is also its folder's.
        kind: key of `models.networks.NETWORKS`.
        settings: all arguments of its constructor; `architecture` as the config says.
        training: settings of its training.
        search: settings of the search for its architecture; None without one.
    """

    name: str
    kind: str
    settings: dict[str, Any]
    training: RetrainSettings
    search: SearchSettings | None = None

    @property
    def source(self) -> str:
        """Origin: ensemble, fold, front, random or given; "" without architecture."""
        given = self.settings.get("architecture")
        if given is None:
            return ""
        if PLACE.fullmatch(given):
            return FRONT
        return given if given in (*SEARCHED, RANDOM) else "given"


@dataclass(frozen=True)
class RunSearch:
    """One search, which every fold makes.

    Attributes:
        kind: kind of the networks, whose search network it is.
        network: arguments of the search network.
        settings: settings of the search.
        networks: names of the networks that take their architecture from it.
        is_first: True for the first search of the run, whose files have no suffix.
    """

    kind: str
    network: dict[str, Any]
    settings: SearchSettings
    networks: tuple[str, ...]
    is_first: bool

    def build(self) -> SearchNetwork:
        """Return the network that is searched."""
        return search_network(self.kind, self.network)

    @property
    def name(self) -> str:
        """Name of the first network that takes its architecture from the search."""
        return self.networks[0]

    @property
    def own_name(self) -> str:
        """Name in the paths of the run, for `runs.folder.search_folder_name`."""
        return FIRST if self.is_first else self.name

    @property
    def folder_name(self) -> str:
        """Name of the search's folder in each fold."""
        return search_folder_name(self.own_name)


def read_networks(
    networks: dict[str, Any],
    training: dict,
    search: dict,
    operations: Candidates = operations_of,
) -> dict[str, RunNetwork]:
    """Check the config's section `networks`.

    Args:
        networks: settings by name; `retrain` and `search` within them change those of
            the run for one network.
        training: the config's section `retrain`.
        search: the config's section `search`.
        operations: candidates of a kind of network that the run was begun with; those
            of now unless given.

    Raises:
        InputError: a name, kind, setting or architecture cannot be used.
    """
    return {
        name: _read(name, own, training, search, operations)
        for name, own in networks.items()
    }


def _read(
    name: str,
    given: Any,
    training: dict,
    search: dict,
    operations: Candidates,
) -> RunNetwork:
    # A fold keeps its searches and the baseline in folders of these names.
    if not re.fullmatch(r"[A-Za-z]\w*", name) or re.match("search|zero_filled", name):
        raise InputError(
            f"networks.{name}: not a network's name, which names its folder; use "
            "letters, digits and _, but neither search nor zero_filled"
        )
    require_types("networks", {name: Mapping}, {name: given})
    require_types(f"networks.{name}", {"kind": str}, given)
    own = complete_network(name, given)
    kind = own.pop("kind")
    trained = _changed(f"{name}.retrain", RetrainSettings, training, own)
    if not takes_architecture(kind, name):
        build_network(kind, own, name)
        return RunNetwork(name, kind, own, trained)
    searched = _changed(f"{name}.search", SearchSettings, search, own)
    own_operations = operations(kind)
    require_paths(searched, len(own_operations))
    network = RunNetwork(name, kind, own, trained)
    if network.source == "given":
        # Built once now, so that a wrong architecture is found before a training.
        known = with_newer(own_operations, operations_of(kind))
        text = own["architecture"]
        named = {"architecture": architecture_named(text, known)}
        build_network(kind, own | named, name)
    if network.source == FRONT:
        _require_place(name, own["architecture"], searched)
    if kind == "wide" and network.source in SEARCHED and searched.method == "proxyless":
        raise InputError(
            f"networks.{name}.search.method: found proxyless, and the operations of "
            "the wide space have no gates; choose another method"
        )
    # Only a source that is searched needs settings of a search.
    return replace(network, search=searched) if network.source in SEARCHED else network


def _require_place(name: str, place: str, search: SearchSettings) -> None:
    match = PLACE.fullmatch(place)
    if not search.makes_front:
        raise InputError(
            f"networks.{name}.architecture: found {place!r}, and search.method="
            f"{search.method} makes no front; choose {' or '.join(CANDIDATES)}, or "
            "another architecture"
        )
    assert match  # it is a place
    if match["count"] and int(match["number"]) > int(match["count"]):
        raise InputError(
            f"networks.{name}.architecture: found {place!r}; count from 1 to "
            f"{match['count']}"
        )
    if match["percent"] and int(match["percent"]) > 100:
        raise InputError(
            f"networks.{name}.architecture: found {place!r}; the percentage is of the "
            "slowest architecture's time, so at most 100"
        )


def complete_network(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a network's section of the config with all that it may hold.

    Args:
        name: name of the network in the run.
        given: settings that differ from the defaults; `kind` is the name unless given.

    Returns:
        `kind`, every argument of its constructor, `retrain` and, where the architecture
        may be searched, `search`.

    Raises:
        InputError: the kind or a setting does not exist, or a value cannot be used.
    """
    own = dict(given)
    kind = own.pop("kind", "") or name
    # Values of these two change the run's own sections for this network alone.
    sections = {"retrain": own.pop("retrain", {}), "search": own.pop("search", {})}
    if takes_architecture(kind, name):
        own = {"architecture": ENSEMBLE} | own
    elif sections.pop("search"):
        raise InputError(f"networks.{name}.search: a {kind} is not searched")
    return {"kind": kind, **complete_settings(kind, own, name), **sections}


def _changed(key: str, kind: type[Section], common: dict, own: dict) -> Section:
    """Take a network's changes of a section out of `own` and return the section."""
    name = key.rpartition(".")[2]
    changes = own.pop(name, {})
    require_types("networks", {key: Mapping}, {key: changes})
    return section_of(common | changes, f"networks.{key}", kind)


def searches_of(networks: dict[str, RunNetwork]) -> list[RunSearch]:
    """Return the searches that these networks need, each once, in the networks' order.

    Two networks share a search where all settings of the searched network and of the
    search are equal: Table 3's A and E differ only in what they make of it.
    """
    found: list[RunSearch] = []
    for name, network in networks.items():
        if network.search is None:
            continue
        # The architecture is left out: it is what the search finds.
        own = {k: v for k, v in network.settings.items() if k != "architecture"}
        for i, other in enumerate(found):
            alike = (other.kind, other.network, other.settings)
            if alike == (network.kind, own, network.search):
                found[i] = replace(other, networks=(*other.networks, name))
                break
        else:
            # In the networks' order: the first network names a search and its files.
            first = not found
            found.append(RunSearch(network.kind, own, network.search, (name,), first))
    return found


def random_architecture(
    network: RunNetwork, seed: int, operations: tuple[Operation, ...]
) -> Architecture:
    """Draw every choice uniformly; the same for all folds (Table 3, D).

    Args:
        network: network whose architecture is drawn; its name is part of the draw.
        seed: the run's seed.
        operations: candidates of every cell; another number of them draws others.
    """
    own = {k: v for k, v in network.settings.items() if k != "architecture"}
    searched = search_network(network.kind, own)
    # Cells that share a choice draw it once.
    groups = searched.cell_groups
    # The name is in the key, so that random networks of a run differ.
    key = key_for(seed, "architecture", network.name)
    undecided = jnp.zeros((max(groups) + 1, len(operations)))
    drawn = draw_choices(key, undecided, absent_in(operations)).tolist()
    return Architecture.from_cells(
        [drawn[group] for group in groups], searched.cells_per_block, operations
    )
