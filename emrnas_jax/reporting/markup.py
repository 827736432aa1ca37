"""One table, written three ways: for a terminal, in Markdown and in LaTeX.

Texts are plain Unicode; every writer escapes what its language would misread.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from tabulate import DataRow, Line, TableFormat, tabulate

NO_LIGATURE = "\u200c"  # the zero-width non-joiner
SPACE = "  "  # between the columns of a terminal
LATEX_PREAMBLE = r"% needs \usepackage{booktabs} (and UTF-8 input)"

# Letter by letter: replacing one after the other would escape the braces of an
# earlier replacement again.
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "[": "{[}",  # after \\ a bracket would be read as its argument
    "]": "{]}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "−": r"$-$",
    "–": "--",
    "×": r"$\times$",
    "\u00a0": "~",
    NO_LIGATURE: "{}",
    "\n": " ",
}

# No vertical rules and three horizontal ones, the style of printed papers.
# Unlike tabulate's own "latex_booktabs", it takes columns of any kind and leaves the
# escaping, which knows the letters of this package's texts, to `_latex`.
_BOOKTABS = TableFormat(
    lineabove=Line(r"\toprule", "", "", ""),
    linebelowheader=Line(r"\midrule", "", "", ""),
    linebetweenrows=None,
    linebelow=Line(r"\bottomrule", "", "", ""),
    headerrow=DataRow("", " & ", r" \\"),
    datarow=DataRow("", " & ", r" \\"),
    padding=0,
    with_header_hide=None,
)


@dataclass(frozen=True)
class Cell:
    """One entry of a table; a page shows its lines below each other."""

    text: str
    bold: bool = False


@dataclass(frozen=True)
class Table:
    """A table with a caption.

    Attributes:
        name: one word, used for links and LaTeX labels.
        title: a few words, the heading.
        caption: sentences that say what the numbers are.
        header: one text per column.
        align: one letter per column: l, r, or p for texts that wrap.
        rows: one cell per column each.
    """

    name: str
    title: str
    caption: str
    header: tuple[str, ...]
    align: str
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        widths = {len(self.header), len(self.align), *map(len, self.rows)}
        # Tabulate would fill a short row or header silently.
        if len(widths) != 1:
            raise ValueError(f"table {self.name}: rows of {sorted(widths)} cells")

    def _repr_markdown_(self) -> str:
        """Return the Markdown that a notebook shows."""
        return to_markdown(self)


def to_text(table: Table, width: int) -> str:
    """Write `table` in aligned columns under its title, without its caption.

    Args:
        table: table to write; a terminal has no bold cells.
        width: letters of a line. Columns for which there is no room follow below,
            beside the first column again.
    """
    rows = [table.header, *([cell.text for cell in row] for row in table.rows)]
    first, *others = [
        _aligned([" ".join(text.split()) for text in column], letter)
        for column, letter in zip(zip(*rows, strict=True), table.align, strict=True)
    ]
    parts = [[first]]
    for column in others:
        line = SPACE.join(shown[0] for shown in (*parts[-1], column))
        # A part always gets one column beside the first, however narrow the terminal.
        if len(line) > width and len(parts[-1]) > 1:
            parts.append([first])
        parts[-1].append(column)
    bodies = [
        "\n".join(SPACE.join(line).rstrip() for line in zip(*part, strict=True))
        for part in parts
    ]
    return "\n\n".join([table.title, *bodies]) + "\n"


def _aligned(column: list[str], letter: str) -> list[str]:
    """Fill all texts to one width, with a rule below the first."""
    width = max(map(len, column))
    fill = str.rjust if letter == "r" else str.ljust
    head, *rest = [fill(text, width) for text in column]
    return [head, "-" * width, *rest]


def to_markdown(table: Table) -> str:
    """Write `table` under a heading, its caption below."""
    header = [_markdown(text) for text in table.header]
    rows = [[_bold(cell, "**", _markdown, "**") for cell in row] for row in table.rows]
    body = _tabulate(header, rows, table.align, "pipe")
    return f"## {_markdown(table.title)}\n\n{body}\n\n{_markdown(table.caption)}\n"


def to_latex(table: Table) -> str:
    """Write `table` as a floating table in the style of booktabs."""
    # Columns of texts share what the columns of numbers leave of the line.
    width = 0.75 / max(table.align.count("p"), 1)
    columns = table.align.replace("p", rf"p{{{width:.2f}\linewidth}}")
    header = [_latex(text) for text in table.header]
    rows = [
        [_bold(cell, r"\textbf{", _latex, "}") for cell in row] for row in table.rows
    ]
    body = _tabulate(header, rows, table.align, _BOOKTABS)
    return rf"""\begin{{table}}[tb]
\centering
\caption{{{_latex(table.caption)}}}
\label{{tab:{table.name}}}
\begin{{tabular}}{{{columns}}}
{body}
\end{{tabular}}
\end{{table}}
"""


def _tabulate(
    header: list[str], rows: list[list[str]], align: str, style: str | TableFormat
) -> str:
    sides = {"l": "left", "p": "left", "r": "right"}
    return tabulate(
        rows,
        header,
        style,
        # Without rows, tabulate has no columns to align.
        colalign=[sides[letter] for letter in align] if rows else None,
        disable_numparse=True,  # texts are formatted already
    )


def _bold(cell: Cell, begin: str, escape: Callable[[str], str], end: str) -> str:
    return f"{begin}{escape(cell.text)}{end}" if cell.bold else escape(cell.text)


def _markdown(text: str) -> str:
    # A line break would end the row of a pipe table.
    return re.sub(r"([\\`*_|<\[\]])", r"\\\1", " ".join(text.split()))


def _latex(text: str) -> str:
    # Two hyphens, as in an option, would become one dash.
    text = re.sub("-(?=-)", f"-{NO_LIGATURE}", text)
    return "".join(_LATEX.get(letter, letter) for letter in text)
