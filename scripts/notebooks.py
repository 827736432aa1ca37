"""Write `notebooks/*.ipynb` from the scripts beside them, without outputs.

    python scripts/notebooks.py            # write them
    python scripts/notebooks.py --check    # say which are not up to date; exit status 1

The scripts (`# %%` starts a cell) are what is edited and reviewed.
"""

import sys
from pathlib import Path

import jupytext
import nbformat

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"


def notebook_text(script: Path) -> str:
    """Return the notebook of a script; the same script gives the same text."""
    notebook = jupytext.read(script, fmt="py:percent")
    notebook.metadata = {
        "kernelspec": {
            "display_name": "Python 3",
            "language": "python",
            "name": "python3",
        },
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"  # drawn at random otherwise
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


def outdated(folder: Path) -> list[Path]:
    """Return the notebooks that differ from their scripts, or have none."""
    scripts = sorted(folder.glob("*.py"))
    stray = set(folder.glob("*.ipynb")) - {s.with_suffix(".ipynb") for s in scripts}
    return sorted(stray) + [
        notebook
        for script in scripts
        if not (notebook := script.with_suffix(".ipynb")).exists()
        or notebook.read_text(encoding="utf-8") != notebook_text(script)
    ]


def main(arguments: list[str]) -> int:
    """Do what the module says, and return the exit status."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    if arguments:
        found = outdated(NOTEBOOKS)
        for notebook in found:
            print(f"{notebook} differs from its script; run scripts/notebooks.py")
        return 1 if found else 0
    for script in sorted(NOTEBOOKS.glob("*.py")):
        text = notebook_text(script)
        script.with_suffix(".ipynb").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
