"""The config sections `folds` and `evaluation`, and how a section is read."""

from dataclasses import dataclass
from typing import Any

from ml_collections import ConfigDict

from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.conventions import CONVENTIONS, PAPER
from emrnas_jax.nas.space import OPERATIONS
from emrnas_jax.setting_types import Section, section_of


def read_section(settings: dict, name: str, kind: type[Section]) -> Section:
    """Return a section of the config as the dataclass that checks it.

    Raises:
        InputError: it is missing, or has a key or value that cannot be used.
    """
    if name not in settings:
        raise InputError(f"the config has no section {name!r}")
    return section_of(settings[name], name, kind)


def with_every_path(config: ConfigDict, operations: int) -> ConfigDict:
    """Return a config in which a path for every operation has those of a run.

    Args:
        config: as a file of `configs/` returns it, whose `paths_per_cell` may be the
            number of operations that there are now.
        operations: how many the run was begun with.
    """
    config = config.copy_and_resolve_references()
    networks: Any = config.get("networks")
    # What is no section is refused later, with its key.
    own = networks.values() if isinstance(networks, ConfigDict) else ()
    for section in (config, *own):
        search = section.get("search") if isinstance(section, ConfigDict) else None
        if not isinstance(search, ConfigDict):
            continue
        if search.get("paths_per_cell") == len(OPERATIONS):
            search.paths_per_cell = operations
    return config


@dataclass(frozen=True)
class FoldSettings:
    """The config section `folds`.

    Attributes:
        count: folds of the cross-validation.
        validation: fraction of the training subjects that is S_val.
    """

    count: int = 3
    validation: float = 2 / 11

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            InputError: a value is outside its range.
        """
        if self.count < 2:
            raise InputError(f"folds.count: found {self.count}; at least 2 are needed")
        if not 0 < self.validation < 1:
            raise InputError(
                f"folds.validation: found {self.validation}; use a fraction between "
                "0 and 1"
            )


@dataclass(frozen=True)
class EvaluationSettings:
    """The config section `evaluation`.

    Attributes:
        batch: frames reconstructed at once.
        examples: test frames of each fold kept for the figures.
        convention: of the scores, a key of `conventions.CONVENTIONS`.
    """

    batch: int = 8
    examples: int = 3
    convention: str = PAPER

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            InputError: a value is outside its range.
        """
        for name in ("batch", "examples"):
            if getattr(self, name) < 1:
                raise InputError(f"evaluation.{name}: must be at least 1")
        if self.convention not in CONVENTIONS:
            raise InputError(
                f"evaluation.convention: found {self.convention!r}; use "
                f"{', '.join(CONVENTIONS)}"
            )
