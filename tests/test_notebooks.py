"""The notebooks: equal to their scripts, and they run from the first cell to the last.

Each runs in a kernel of its own, as a user's Jupyter starts it, with small sizes put
in after the cell of its settings.
"""

import importlib.util
import os
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
NAMES = ("quick_start", "own_data", "comparing_networks")

SMALL = """
import runpy

assert config.reduced, "notebooks are for runs of reduced size"
config.data.cache = {cache!r}
RUN = Path({folder!r}) / "run"
config.data.height = config.data.width = config.data.phantom.size = 16
config.data.downsample = 1
config.data.phantom.update(kind="heart", subjects=4, slices=1, frames=2)
config.folds.count = 2
config.search.update(warmup_epochs=1, search_epochs=1, batch=2)
config.retrain.update(epochs=1, batch=2)
config.evaluation.update(batch=2, examples=1)
config.loop.steps_per_dispatch = 1
for own in config.networks.values():
    own.update(width=4)
    if "components" in own:
        own.components = 1
    if own.kind == "emrnas":
        own.cells_per_block = 1
"""
MORE = {
    "quick_start": "",
    "own_data": """
FOLDER = Path({folder!r}) / "images"
config.data.path = str(FOLDER)
phantoms = PhantomSettings(subjects=4, slices=1, frames=2, size=16)
config.networks.emrnas.architecture = "[O8]"  # another notebook searches
""",
    "comparing_networks": """
config.networks.emrnas.architecture = "[O8]"
for name in ("unet", "dccnn_matched", "cddntdc"):
    del config.networks[name]
""",
}


@pytest.fixture(scope="module")
def scripts_notebooks():
    spec = importlib.util.spec_from_file_location(
        "notebooks", ROOT / "scripts" / "notebooks.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_notebook_is_that_of_its_script(scripts_notebooks):
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} == set(NAMES)
    assert scripts_notebooks.outdated(ROOT / "notebooks") == []


def test_a_changed_script_a_run_notebook_and_a_stray_one_are_noticed(
    scripts_notebooks, tmp_path
):
    for path in (ROOT / "notebooks").glob("*.*"):
        shutil.copy(path, tmp_path)
    with (tmp_path / "quick_start.py").open("a") as file:
        file.write("\n# %%\nprint(1)\n")
    run = nbformat.read(tmp_path / "own_data.ipynb", 4)
    next(cell for cell in run.cells if cell.cell_type == "code").execution_count = 1
    nbformat.write(run, tmp_path / "own_data.ipynb")
    shutil.copy(tmp_path / "comparing_networks.ipynb", tmp_path / "stray.ipynb")
    found = {path.stem for path in scripts_notebooks.outdated(tmp_path)}
    assert found == {"quick_start", "own_data", "stray"}


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_holds_no_outputs(name):
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", 4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert cells
    assert not any(cell.outputs or cell.execution_count for cell in cells)


def run_small(name, folder, cache):
    """Execute a notebook at tiny size, and return it with its outputs."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", 4)
    [settings] = [
        number
        for number, cell in enumerate(notebook.cells)
        if "settings" in cell.metadata.get("tags", ())
    ]
    small = (SMALL + MORE[name]).format(folder=str(folder), cache=str(cache))
    notebook.cells.insert(settings + 1, nbformat.v4.new_code_cell(small))
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "XLA_FLAGS": "",
        "EMRNAS_NATIVE": "0",  # a new home would have them built anew
        "HOME": str(cache),  # the notebooks name ~/.cache/emrnas_jax
        "IPYTHONDIR": str(cache / "ipython"),
    }
    environment.pop("MPLBACKEND", None)  # the kernel's own shows pictures inline
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        # Jupyter starts a kernel in the folder of its notebook.
        resources={"metadata": {"path": str(ROOT / "notebooks")}},
    )
    return client.execute(env=environment)


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    cache = tmp_path_factory.mktemp("home")
    return lambda name: run_small(name, tmp_path_factory.mktemp(name), cache)


def outputs(notebook):
    return [
        output
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_and_shows_its_tables_and_pictures(name, executed):
    notebook = executed(name)
    shown = [output.data for output in outputs(notebook) if "data" in output]
    tables = [data["text/markdown"] for data in shown if "text/markdown" in data]
    assert any("PSNR (dB)" in table and "EMR-NAS" in table for table in tables)
    assert sum("image/png" in data for data in shown) >= 2
    told = "".join(
        output.text for output in outputs(notebook) if output.output_type == "stream"
    )
    assert "fold 2 emrnas: 100%" in told  # a progress bar
    if name == "quick_start":
        assert any("<iframe" in data.get("text/html", "") for data in shown)
