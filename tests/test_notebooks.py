"""The notebooks: equal to their scripts, and they run from the first cell to the last.

Each runs in a kernel of its own, as a user's Jupyter starts it, with small sizes put
in after the cell of its settings.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

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
config.report.pdf = False
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


def install_cell(name, repository=""):
    """The source of a notebook's first cell of code, with an address put in."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", 4)
    source = next(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert source.count('REPOSITORY = ""') == 1
    return source.replace('REPOSITORY = ""', f"REPOSITORY = {repository!r}")


@pytest.fixture
def colab(monkeypatch, tmp_path):
    """Stand in an empty folder on Colab, without a network.

    Returns the commands that a cell has run; a clone appears as its configs.
    """
    ran = []

    def run(command, check):
        assert check
        ran.append(command)
        if command[:2] == ["git", "clone"]:
            (tmp_path / command[-1] / "configs").mkdir(parents=True)

    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.chdir(tmp_path)
    return ran


@pytest.mark.parametrize("name", NAMES)
def test_without_an_address_the_cell_says_what_to_set(name, colab):
    with pytest.raises(AssertionError, match="set REPOSITORY to the address"):
        exec(install_cell(name), {})
    assert colab == []


@pytest.mark.parametrize("name", NAMES)
def test_the_cell_works_again_after_the_session_was_restarted(
    name, colab, tmp_path, monkeypatch
):
    cell = install_cell(name, "https://example.org/emrnas_jax")
    exec(cell, {})
    get = ["git", "clone", "--depth=1", "https://example.org/emrnas_jax", "clone"]
    install = [sys.executable, "-m", "pip", "install", "--quiet", "./clone"]
    assert colab == [get, install]
    assert Path.cwd() == tmp_path / "clone"
    exec(cell, {})  # run twice in one session
    assert colab == [get, install]
    monkeypatch.chdir(tmp_path)  # what "Restart session" does
    exec(cell, {})
    assert colab == [get, install, install]
    assert Path.cwd() == tmp_path / "clone"


@pytest.mark.parametrize("name", NAMES)
def test_an_installation_that_failed_is_tried_again(name, colab, monkeypatch):
    cell, run = install_cell(name, "address"), subprocess.run

    def no_network(command, check):
        if "pip" in command:
            raise subprocess.CalledProcessError(1, command)
        run(command, check)

    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "run", no_network)
        with pytest.raises(subprocess.CalledProcessError):
            exec(cell, {})
    exec(cell, {})
    assert [command[1] for command in colab] == ["clone", "-m"]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_outside_the_clone_says_where_to_start(name, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(AssertionError, match="start Jupyter in the notebooks folder"):
        exec(install_cell(name), {})


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
        "JAX_NUM_CPU_DEVICES": "1",
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
