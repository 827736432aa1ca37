"""The networks of a run: what each is, and the searches that find architectures.

A run compares networks by label. Two of one kind differ in their settings: `emrnas` and
`ablation_b`, `dccnn` and `dccnn_real`. Networks whose searches would be the same share
one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp

from emrnas_jax.errors import InputError
from emrnas_jax.models.networks import (
    build_network,
    complete_settings,
    takes_architecture,
)
from emrnas_jax.nas.gates import uniform_choices
from emrnas_jax.nas.operation_tables import with_newer
from emrnas_jax.nas.space import (
    OPERATIONS,
    Architecture,
    Operation,
    architecture_named,
    choosing_rows,
)
from emrnas_jax.randomness import key_for
from emrnas_jax.runs.folder import FIRST, search_folder_name
from emrnas_jax.setting_types import Section, require_types, section_of
from emrnas_jax.training.settings import RetrainSettings, SearchSettings, require_paths

# Where an architecture comes from, unless the setting spells it out or names a preset.
ENSEMBLE = "ensemble"  # the folds' searches together, as the paper's
FOLD = "fold"  # each fold's own search: Table 3, E
RANDOM = "random"  # drawn from the seed and the network's label: Table 3, D
SEARCHED = (ENSEMBLE, FOLD)


@dataclass(frozen=True)
class System:
    """One network of a run.

    Attributes:
        name: its label.
        kind: key of `models.networks.NETWORKS`.
        settings: all arguments of its constructor; `architecture` as the config says.
        training: how it is trained.
        search: how its architecture is searched; None where it is not.
    """

    name: str
    kind: str
    settings: dict[str, Any]
    training: RetrainSettings
    search: SearchSettings | None = None

    @property
    def source(self) -> str:
        """Where its architecture comes from: "given", or one of the above; or ""."""
        given = self.settings.get("architecture")
        if given is None:
            return ""
        return given if given in (*SEARCHED, RANDOM) else "given"


@dataclass(frozen=True)
class Search:
    """One search of every fold.

    Attributes:
        network: settings of the `SearchNetwork`.
        settings: how it is searched.
        networks: labels of those that take their architecture from it.
        is_first: whether it is the first of the run, whose files have no suffix.
    """

    network: dict[str, Any]
    settings: SearchSettings
    networks: tuple[str, ...]
    is_first: bool

    @property
    def name(self) -> str:
        """The label of the first network that takes its architecture from it."""
        return self.networks[0]

    @property
    def own_name(self) -> str:
        """Its name in the paths of the run: `runs.folder.search_folder_name`."""
        return FIRST if self.is_first else self.name

    @property
    def folder_name(self) -> str:
        """The name of its folder in each fold."""
        return search_folder_name(self.own_name)


def read_systems(
    networks: dict[str, Any],
    training: dict,
    search: dict,
    operations: tuple[Operation, ...] = OPERATIONS,
) -> dict[str, System]:
    """Check the config's section `networks`.

    Args:
        networks: settings by label; `retrain` and `search` within them change those of
            the run for one network.
        training: the config's section `retrain`.
        search: the config's section `search`.
        operations: those that the run was begun with, if it was.

    Raises:
        InputError: a label, kind, setting or architecture cannot be used.
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
    operations: tuple[Operation, ...],
) -> System:
    if not re.fullmatch(r"[A-Za-z]\w*", name) or re.match("search|zero_filled", name):
        raise InputError(
            f"networks.{name}: not a network's label, which names its folder; use "
            "letters, digits and _, but neither search nor zero_filled"
        )
    require_types("networks", {name: Mapping}, {name: given})
    require_types(f"networks.{name}", {"kind": str}, given)
    own = complete_network(name, given)
    kind = own.pop("kind")
    trained = _changed(f"{name}.retrain", RetrainSettings, training, own)
    if not takes_architecture(kind, name):
        build_network(kind, own, name)
        return System(name, kind, own, trained)
    searched = _changed(f"{name}.search", SearchSettings, search, own)
    require_paths(searched, len(operations))
    system = System(name, kind, own, trained)
    if system.source == "given":
        text, known = own["architecture"], with_newer(operations)
        named = {"architecture": architecture_named(text, known)}
        build_network(kind, own | named, name)
    return replace(system, search=searched) if system.source in SEARCHED else system


def complete_network(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a network's section of the config with all that it may hold.

    Args:
        name: the network's name in the run.
        given: settings that differ from the defaults; `kind` is the name unless given.

    Returns:
        `kind`, every argument of its constructor, `retrain` and, where the architecture
        may be searched, `search`.

    Raises:
        InputError: the kind or a setting does not exist, or a value cannot be used.
    """
    own = dict(given)
    kind = own.pop("kind", "") or name
    # What these two hold changes the run's own sections for this network alone.
    sections = {"retrain": own.pop("retrain", {}), "search": own.pop("search", {})}
    if takes_architecture(kind, name):
        own = {"architecture": ENSEMBLE} | own
    elif sections.pop("search"):
        raise InputError(f"networks.{name}.search: a {kind} is not searched")
    return {"kind": kind, **complete_settings(kind, own, name), **sections}


def _changed(place: str, kind: type[Section], common: dict, own: dict) -> Section:
    """Take a network's changes out of `own`, and return its section of settings."""
    name = place.rpartition(".")[2]
    changes = own.pop(name, {})
    require_types("networks", {place: Mapping}, {place: changes})
    return section_of(common | changes, f"networks.{place}", kind)


def searches_of(systems: dict[str, System]) -> list[Search]:
    """Return the searches that these networks need, each once."""
    found: list[Search] = []
    for system in systems.values():
        if system.search is None:
            continue
        network = {k: v for k, v in system.settings.items() if k != "architecture"}
        for i, other in enumerate(found):
            if (other.network, other.settings) == (network, system.search):
                found[i] = replace(other, networks=(*other.networks, system.name))
                break
        else:
            found.append(Search(network, system.search, (system.name,), not found))
    return found


def random_architecture(
    system: System, seed: int, operations: tuple[Operation, ...]
) -> Architecture:
    """Draw every choice uniformly; the same for all folds (Table 3, D).

    Args:
        system: the network; its label is part of the draw.
        seed: of the run.
        operations: the candidates. Another number of them draws other ones.
    """
    cells = system.settings["cells_per_block"]
    rows = choosing_rows(
        system.settings["components"], cells, system.settings["shared"]
    )
    key = key_for(seed, "architecture", system.name)
    undecided = jnp.zeros((max(rows) + 1, len(operations)))
    drawn = uniform_choices(key, undecided).tolist()
    return Architecture.from_cells([drawn[row] for row in rows], cells, operations)
