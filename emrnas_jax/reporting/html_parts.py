"""The HTML of a page and its parts, written by the templates in `templates/`.

Every value is escaped unless it is what a part returned, so no text of a run, such as
the name of a data set, can become markup.
"""

import base64
from collections.abc import Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from emrnas_jax.reporting.figures.picture import DOTS_PER_INCH, Picture
from emrnas_jax.reporting.markup import Table

CSS_DOTS_PER_INCH = 96  # a browser's pixel, whatever the screen has


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("emrnas_jax.reporting"),
        # Jinja escapes nothing by default, and names come from the user's data.
        autoescape=True,
        undefined=StrictUndefined,  # a misspelt name fails instead of showing nothing
        trim_blocks=True,
        keep_trailing_newline=True,
    )


@cache
def _parts() -> Any:
    # Macros return `Markup`, which another template does not escape again.
    return _environment().get_template("parts.html").module


def page_html(**values: object) -> str:
    """Return a whole page.

    Args:
        values: variables of `templates/page.html` by name.
    """
    return _environment().get_template("page.html").render(values)


def to_html(table: Table) -> str:
    """Return `table` as a figure with a caption; the first column heads the rows."""
    return _parts().table(table)


def picture_html(picture: Picture) -> str:
    """Return `picture` as a figure that holds its own PNG."""
    scale = CSS_DOTS_PER_INCH / DOTS_PER_INCH
    # Within the page, so that it stays whole when it is mailed or moved.
    data = base64.b64encode(picture.png).decode()
    width, height = round(scale * picture.width), round(scale * picture.height)
    return _parts().picture(picture, data, width, height)


def folded(summary: str, parts: Sequence[str]) -> str:
    """Return parts that open with a click on `summary`; "" where there are no parts."""
    # A fold that opens on nothing would look like a fault.
    present = list(filter(None, parts))
    return _parts().folded(summary, present) if present else ""


def paragraph(text: str, style: str = "") -> str:
    """Return a paragraph of plain text, of a class in the page's style if given."""
    return _parts().paragraph(text, style)


def preformatted(text: str) -> str:
    """Return plain text that keeps its lines."""
    return _parts().preformatted(text)


def frame(page: str, height: int) -> str:
    """Return a frame of `height` pixels that holds a whole page."""
    return _parts().frame(page, height)
