"""One table, written four ways: for a terminal, in Markdown, LaTeX and HTML.

Texts are plain Unicode; every writer escapes what its language would misread.
"""

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass

NO_LIGATURE = "\u200c"  # the zero-width non-joiner
SPACE = "  "  # between the columns of a terminal
LATEX_PREAMBLE = r"% needs \usepackage{booktabs} (and UTF-8 input)"

_OPTION = re.compile(r"--\S+")  # of a command; a page does not break its line there
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
        if len(widths) != 1:
            raise ValueError(f"table {self.name}: rows of {sorted(widths)} cells")

    def _repr_markdown_(self) -> str:
        """What a notebook shows."""
        return to_markdown(self)


def to_text(table: Table, width: int) -> str:
    """Write `table` in aligned columns under its title, without its caption.

    Args:
        table: what to write; a terminal has no bold cells.
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
    rules = {"l": ":--", "p": ":--", "r": "--:"}
    rows = [
        [_markdown(text) for text in table.header],
        [rules[letter] for letter in table.align],
    ]
    for row in table.rows:
        texts = [(_markdown(cell.text), cell.bold) for cell in row]
        rows.append([f"**{text}**" if bold else text for text, bold in texts])
    body = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"## {_markdown(table.title)}\n\n{body}\n\n{_markdown(table.caption)}\n"


def to_latex(table: Table) -> str:
    """Write `table` as a floating table in the style of booktabs."""
    width = 0.75 / max(table.align.count("p"), 1)
    columns = table.align.replace("p", rf"p{{{width:.2f}\linewidth}}")
    rows = [
        _latex_row(
            rf"\textbf{{{_latex(cell.text)}}}" if cell.bold else _latex(cell.text)
            for cell in row
        )
        for row in table.rows
    ]
    return "\n".join(
        [
            r"\begin{table}[tb]",
            r"\centering",
            rf"\caption{{{_latex(table.caption)}}}",
            rf"\label{{tab:{table.name}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            _latex_row(_latex(text) for text in table.header),
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def to_html(table: Table) -> str:
    """Write `table` as a figure with a caption; the first column heads the rows."""
    head = "".join(
        f'<th scope="col" class="{letter}">{html.escape(text)}</th>'
        for text, letter in zip(table.header, table.align, strict=True)
    )
    rows = []
    for row in table.rows:
        cells = []
        for index, (cell, letter) in enumerate(zip(row, table.align, strict=True)):
            text = _OPTION.sub(r"<span>\g<0></span>", html.escape(cell.text))
            text = f"<strong>{text}</strong>" if cell.bold else text
            tag = 'th scope="row"' if index == 0 else "td"
            cells.append(f'<{tag} class="{letter}">{text}</{tag[:2]}>')
        rows.append(f"<tr>{''.join(cells)}</tr>")
    body = "\n".join(rows)
    return (
        f'<figure class="table" id="table-{table.name}">\n'
        f"<h3>{html.escape(table.title)}</h3>\n"
        f'<div class="scroll" tabindex="0"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>\n"
        f"<figcaption>{html.escape(table.caption)}</figcaption>\n</figure>"
    )


def _markdown(text: str) -> str:
    return re.sub(r"([\\`*_|<\[\]])", r"\\\1", " ".join(text.split()))


def _latex(text: str) -> str:
    # Two hyphens, as in an option, would become one dash.
    text = re.sub("-(?=-)", f"-{NO_LIGATURE}", text)
    return "".join(_LATEX.get(letter, letter) for letter in text)


def _latex_row(texts: Iterable[str]) -> str:
    return " & ".join(texts) + r" \\"
