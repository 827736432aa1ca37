"""The report of a run: one page that needs no other file, tables and figures beside it.

The page holds its pictures and its style; it loads nothing and runs no script, so it
can be mailed or archived as it is.
"""

import base64
import html
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from emrnas_jax.machine.files import write_bytes, write_text
from emrnas_jax.reporting import tables, words
from emrnas_jax.reporting.figures.all import all_pictures
from emrnas_jax.reporting.figures.picture import DOTS_PER_INCH, Picture
from emrnas_jax.reporting.figures.reconstructions import pictures_shown_first
from emrnas_jax.reporting.markup import to_html
from emrnas_jax.runs.folder import RunFolder
from emrnas_jax.runs.run import Run, read_run

WIDE = 20  # letters of a fact that do not fit its column


def write_report(run: Path, settings: dict[str, Any] | None = None) -> Path:
    """Write `report/` into the folder `run` of a run, and return the page's path.

    Writes `tables.md`, `tables.tex`, `figures/*.png` and `*.pdf`, and, last,
    `index.html`. Each file is whole or not there; figures of an earlier report that
    this one lacks are removed.

    Args:
        run: the folder.
        settings: the config section `report`; that of the run unless given.

    Raises:
        InputError: the run has no results yet, or a file of it is damaged.
    """
    content = read_run(run)
    if settings is not None:
        content = replace(content, config=content.config | {"report": settings})
    pictures = all_pictures(content)
    folder = RunFolder(run).report
    figures = folder / "figures"
    written = set()
    for picture in (picture for group in pictures.values() for picture in group):
        for ending, content_of in (("png", picture.png), ("pdf", picture.pdf)):
            path = figures / f"{picture.name}.{ending}"
            write_bytes(path, content_of)
            written.add(path)
    for stale in {*figures.glob("*.png"), *figures.glob("*.pdf")} - written:
        stale.unlink()
    write_text(folder / "tables.md", tables.markdown(content))
    write_text(folder / "tables.tex", tables.latex(content))
    page = RunFolder(run).page
    write_text(page, page_text(content, pictures))
    return page


def page_text(run: Run, pictures: dict[str, list[Picture]]) -> str:
    """The page as HTML, from the run and its pictures by section."""
    bodies = {
        title: "\n".join(filter(None, parts))
        for title, parts in _sections(run, pictures).items()
    }
    present = {title: body for title, body in bodies.items() if body}
    heading = words.heading(run)
    template = resources.files("emrnas_jax.reporting").joinpath("page.html")
    return Template(template.read_text(encoding="utf-8")).substitute(
        title=html.escape(f"emrnas_jax: {heading}"),
        heading=html.escape(heading),
        labels="\n".join(
            f'<p class="label">{html.escape(text)}</p>' for text in words.labels(run)
        ),
        lead=html.escape(" ".join(words.lead(run))),
        facts=_facts(words.facts(run)),
        links="\n".join(
            f'<li><a href="#{title.lower()}">{title}</a></li>' for title in present
        ),
        sections="\n".join(
            f'<section id="{title.lower()}">\n<h2>{title}</h2>\n{body}\n</section>'
            for title, body in present.items()
        ),
    )


def _sections(run: Run, pictures: dict[str, list[Picture]]) -> dict[str, list[str]]:
    """The parts of each section by its title; a part that the run lacks is empty.

    Scores and images come first, what only some readers ask for is folded or last.
    """
    table = defaultdict(str, {t.name: to_html(t) for t in tables.all_tables(run)})
    shown = {name: [_figure(one) for one in group] for name, group in pictures.items()}
    examples = shown["reconstructions"]
    first = pictures_shown_first(run)
    return {
        "Scores": [table["scores"]],
        "Reconstructions": [
            *examples[:first],
            _folded("More reconstructions", examples[first:]),
        ],
        "Comparisons": [
            table["ablations"],
            *shown["ablations"],
            table["consistencies"],
            table["differences"],
            _folded("The other pairs of networks", [table["other_differences"]]),
            table["folds"],
            *shown["scores"],
        ],
        "Architecture": [
            _architecture(run),
            table["architectures"],
            *shown["architecture"],
            _folded("The architectures of the others", shown["other architectures"]),
        ],
        "Search": [
            *shown["search"],
            *shown["probabilities"][:1],
            _folded("The other folds", shown["probabilities"][1:]),
            _folded("The other searches", shown["other searches"]),
        ],
        "Training": [
            *shown["retraining"][:1],
            _folded("More networks", shown["retraining"][1:]),
        ],
        "Protocol": [
            *(f"<p>{html.escape(text)}</p>" for text in words.protocol(run)),
            table["subjects"],
            table["commands"],
            _config(run),
        ],
        "Cost": [
            _folded(
                "Size, time and work of every network",
                [table["efficiency"], table["cost"]],
            )
        ],
    }


def _figure(picture: Picture) -> str:
    # At its printed size where there is room; below 60 % of it the words are too
    # small to read, so a narrow screen scrolls instead.
    width = round(picture.width * 96 / DOTS_PER_INCH)
    height = round(picture.height * 96 / DOTS_PER_INCH)
    data = base64.b64encode(picture.png).decode()
    return (
        f'<figure class="picture" id="figure-{picture.name}">\n'
        '<div class="scroll" tabindex="0">'
        f'<img src="data:image/png;base64,{data}" width="{width}" height="{height}" '
        f'style="width: min(100%, {width}px); min-width: {round(0.6 * width)}px" '
        f'alt="{html.escape(picture.description)}"></div>\n'
        f"<figcaption>{html.escape(picture.caption)}</figcaption>\n</figure>"
    )


def _folded(summary: str, parts: Sequence[str]) -> str:
    body = "\n".join(filter(None, parts))
    if not body:
        return ""
    return f"<details>\n<summary>{html.escape(summary)}</summary>\n{body}\n</details>"


def _architecture(run: Run) -> str:
    if run.searched is None:
        return ""
    text = html.escape(str(run.searched.architecture))
    return f'<p class="architecture">{text}</p>'


def _facts(facts: dict[str, str]) -> str:
    items = []
    for name, value in facts.items():
        wide = ' class="wide"' if len(value) > WIDE else ""
        items.append(
            f"<div{wide}><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>"
        )
    return "<dl>\n{}\n</dl>".format("\n".join(items))


def _config(run: Run) -> str:
    if not run.config:
        return ""
    text = html.escape(json.dumps(run.config, indent=2, ensure_ascii=False))
    return _folded("The run's config", [f"<pre>{text}</pre>"])
