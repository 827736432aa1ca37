"""The report's page within a notebook.

Tables and pictures show themselves where a cell ends in one (`Table`, `Picture`); the
page has its own style, so it needs a frame.
"""

import html
from dataclasses import dataclass
from pathlib import Path

from emrnas_jax.errors import InputError


@dataclass(frozen=True)
class ReportFrame:
    """The page of a run, shown by a notebook whose cell ends in this.

    Attributes:
        run: the folder of the run.
        height: of the frame, pixels.
    """

    run: Path
    height: int = 800

    def _repr_html_(self) -> str:
        page = self.run / "report" / "index.html"
        if not page.is_file():
            raise InputError(f"{page} is missing; run the stage `report` first")
        # The page itself, not its address: Colab serves no files to a frame.
        text = html.escape(page.read_text(encoding="utf-8"))
        return (
            f'<iframe srcdoc="{text}" title="Report" '
            f'style="width: 100%; height: {self.height}px; border: 0"></iframe>'
        )
