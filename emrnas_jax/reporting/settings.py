"""The config section `report`, and how a finished run has it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from emrnas_jax.machine.setting_types import section_of
from emrnas_jax.reporting.figures.zoom import read_zoom
from emrnas_jax.runs.run import Run


@dataclass(frozen=True)
class ReportSettings:
    """The config section `report`.

    Attributes:
        zoom: part of a frame to enlarge, as `read_zoom` takes it.
        pdf: also write each figure as PDF, for print, which takes longer than the PNG.
    """

    zoom: str = ""
    pdf: bool = True

    def __post_init__(self) -> None:
        """Refuse a setting that cannot be read.

        Raises:
            InputError: `zoom` names no window.
        """
        # Now, and not after hours of training, when the report is written.
        read_zoom(self.zoom)


def settings_of(run: Run) -> ReportSettings:
    """Return the section `report` of a run's config, with defaults for what it lacks.

    Raises:
        InputError: a setting has another type, or `zoom` names no window.
    """
    section = run.config.get("report")
    # A run of an older version has no such section, one of a newer version may have
    # settings that are unknown here.
    kept = section if isinstance(section, Mapping) else {}
    names = {own.name for own in fields(ReportSettings)} & set(kept)
    known = {name: kept[name] for name in names}
    return section_of(known, "report", ReportSettings)
