"""The report's page within a notebook.

Tables and pictures show themselves where a cell ends in one (`Table`, `Picture`); the
page has its own style, so it needs a frame.
"""

from dataclasses import dataclass
from pathlib import Path

from emrnas_jax.errors import InputError
from emrnas_jax.reporting.html_parts import frame


@dataclass(frozen=True)
class ReportFrame:
    """The page of a run, shown by a notebook whose cell ends in this.

    Attributes:
        run: folder of the run.
        height: height of the frame in pixels.
    """

    run: Path
    height: int = 800

    def _repr_html_(self) -> str:
        # Read when shown, so a frame made before a later report shows that one.
        page = self.run / "report" / "index.html"
        if not page.is_file():
            raise InputError(f"{page} is missing; run the stage `report` first")
        return frame(page.read_text(encoding="utf-8"), self.height)
