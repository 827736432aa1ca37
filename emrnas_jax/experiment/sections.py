"""The sections of a config, each read as the dataclass that checks it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from emrnas_jax.data.dataset import DataSettings
from emrnas_jax.data.folds import FoldSettings
from emrnas_jax.data.sampling_settings import SamplingSettings
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.evaluate import EvaluationSettings
from emrnas_jax.machine.setting_types import read_section, require_types, section_of
from emrnas_jax.nas.space import OPERATIONS
from emrnas_jax.reporting.settings import ReportSettings
from emrnas_jax.training.loop import LoopSettings
from emrnas_jax.training.retrain_settings import RetrainSettings
from emrnas_jax.training.search_settings import SearchSettings, require_paths

# Types of the entries that are not read as a dataclass, or not at once.
TYPES = {"seed": int, "reduced": bool, "networks": Mapping, "report": Mapping}


class Sections(NamedTuple):
    """Everything that a config says except its networks and how they are trained.

    A network's own sections may change `search` and `retrain`, so these are read again
    for each network: `experiment.networks.read_networks`.
    """

    seed: int
    data: DataSettings
    sampling: SamplingSettings
    folds: FoldSettings
    evaluation: EvaluationSettings
    loop: LoopSettings
    report: ReportSettings


def read_sections(settings: dict[str, Any], operations: int) -> Sections:
    """Check everything that a config says except its networks.

    Args:
        settings: the config.
        operations: number of candidate operations of the run.

    Raises:
        InputError: a section is missing, or a setting cannot be used.
    """
    for key in ("seed", "networks"):
        if key not in settings:
            raise InputError(f"the config has no {key!r}")
    require_types("", TYPES, settings)
    seed = settings["seed"]
    # NumPy's generators, which draw the folds, take no negative seed.
    if seed < 0:
        raise InputError(f"seed: found {seed}; use 0 or a larger number")
    sections = Sections(
        seed=seed,
        data=read_section(settings, "data", DataSettings),
        sampling=read_section(settings, "sampling", SamplingSettings),
        folds=read_section(settings, "folds", FoldSettings),
        evaluation=read_section(settings, "evaluation", EvaluationSettings),
        loop=read_section(settings, "loop", LoopSettings),
        # Configs of older versions have no such section.
        report=section_of(settings.get("report", {}), "report", ReportSettings),
    )
    require_paths(read_section(settings, "search", SearchSettings), operations)
    read_section(settings, "retrain", RetrainSettings)
    return sections


def with_every_path(config: ConfigDict, operations: int) -> ConfigDict:
    """Return a config in which a path for every operation has those of a run.

    Args:
        config: config as a file of `configs/` returns it, whose `paths_per_cell` may be
            the number of operations that there are now.
        operations: number of operations that the run was begun with.
    """
    config = config.copy_and_resolve_references()
    networks: Any = config.get("networks")
    # A value that is no section is refused later, with its key.
    own = networks.values() if isinstance(networks, ConfigDict) else ()
    for section in (config, *own):
        search = section.get("search") if isinstance(section, ConfigDict) else None
        if not isinstance(search, ConfigDict):
            continue
        # As many paths as there are operations means a path for every operation.
        if search.get("paths_per_cell") == len(OPERATIONS):
            search.paths_per_cell = operations
    return config
