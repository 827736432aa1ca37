"""A wheel, installed where nothing else is, does what the README promises.

Nothing of the repository is on the path: what the wheel lacks, and what a dependency
imports without declaring it, ends the program here.
"""

import os
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

import h5py
import numpy as np
import pytest
from packaging.requirements import Requirement

from emrnas_jax.models.included import included_models
from tests.fixtures.programs import SMALLER

ROOT = Path(__file__).parent.parent

OWN = """
from emrnas_jax.experiment.config_files import load_config

def get_config():
    config = load_config("configs/cardiac.py:dccnn_small")
    config.seed = 7
    return config
"""
LOAD = """
import emrnas_jax
from emrnas_jax.experiment.config_files import load_config
print(emrnas_jax.__file__, load_config("mine.py").seed)
"""

pytestmark = pytest.mark.slow


def run(command, folder, **environment):
    """Run to the end in a folder, without what this process was told of Python."""
    taken = ("PYTHON", "EMRNAS", "JAX", "XLA", "VIRTUAL_ENV", "CONDA")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(taken)}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet"]
    run([*pip, f"--wheel-dir={folder}", str(ROOT)], folder)
    [built] = folder.glob("*.whl")
    return built


def declared(lines, extras=()):
    """Return the distributions, with extras, that lines of metadata ask for here."""
    chosen = [{"extra": extra} for extra in ("", *extras)]
    wanted = [Requirement(line) for line in lines or ()]
    return {
        (one.name, tuple(sorted(one.extras)))
        for one in wanted
        if one.marker is None or any(map(one.marker.evaluate, chosen))
    }


def all_declared(packages):
    """Return the names of the dependencies of what is in a folder, and of theirs."""
    [wheel] = metadata.distributions(path=[str(packages)])
    found, left = set(), declared(wheel.requires)
    while left:
        found |= left
        left = {
            one for name, own in left for one in declared(metadata.requires(name), own)
        } - found
    return {name for name, _ in found}


def link(name, packages):
    """Link what an installed distribution has among the packages of another Python."""
    own = metadata.distribution(name)
    assert own.files is not None
    for top in {path.parts[0] for path in own.files} - {"..", "__pycache__"}:
        place = packages / top
        if not place.is_symlink():  # a namespace package of several distributions
            place.symlink_to(Path(str(own.locate_file(top))).resolve())


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """The Python of an environment that holds the wheel and its dependencies alone.

    The dependencies are links to those installed here, because installing them again
    would take as long as all the tests that need them.
    """
    folder = tmp_path_factory.mktemp("environment")
    # Debian's Python has no ensurepip; pip installs into an environment without pip.
    venv.create(folder, with_pip=False)
    own = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(own), "install", "--quiet"]
    run([*pip, "--no-deps", str(wheel)], folder)
    [packages] = (folder / "lib").glob("python*/site-packages")
    for name in all_declared(packages):
        link(name, packages)
    return own


@pytest.fixture(scope="module")
def start(python, tmp_path_factory):
    """Start a command of the installed Python in an empty folder, the user's."""
    folder = tmp_path_factory.mktemp("user")
    home = tmp_path_factory.mktemp("home")

    def started(*command):
        # Where and how programs are compiled changes nothing that a wheel could lack.
        kept = ("JAX_PLATFORMS", "JAX_COMPILATION_CACHE", "JAX_PERSISTENT", "XLA")
        settings = {k: v for k, v in os.environ.items() if k.startswith(kept)}
        return run([str(python), *command], folder, HOME=str(home), **settings)

    return folder, started


def test_an_installed_wheel_searches_trains_reports_and_reconstructs(python, start):
    folder, started = start
    done = started(
        *("-m", "emrnas_jax.main"),
        *("--config=configs/demo.py:tiny", "--workdir=runs/tiny"),
        *(f"--config.{key}={value}" for key, value in SMALLER.items()),
    )
    place = python.parents[1].resolve()
    assert f"the config is that of the package, {place}" in done.stderr
    assert done.stderr.count("configs/demo.py") == 1
    assert "report       runs/tiny/report/index.html" in done.stdout
    page = (folder / "runs/tiny/report/index.html").read_text(encoding="utf-8")
    assert "EMR-NAS" in page

    random = np.random.default_rng(0)
    images = random.random((2, 16, 16))
    mask = random.random((16, 1)) < 0.5
    shifted = np.fft.ifftshift(images, axes=(-2, -1))
    kspace = np.fft.fftshift(np.fft.fft2(shifted, norm="ortho"), axes=(-2, -1)) * mask
    np.savez(folder / "scan.npz", kspace=kspace, mask=np.broadcast_to(mask, (16, 16)))
    done = started(
        "-m",
        "emrnas_jax.reconstruct",
        "--model=runs/tiny",
        "--input=scan.npz",
        "--output=out",
    )
    assert "scan.npz: 2 frames" in done.stdout
    with h5py.File(folder / "out" / "scan.h5") as file:
        assert np.asarray(file["reconstruction"]).shape == (2, 16, 16)


def test_an_own_config_builds_on_one_of_the_wheel(python, start):
    folder, started = start
    (folder / "mine.py").write_text(OWN)
    printed = started("-c", LOAD).stdout.split()
    assert Path(printed[0]).is_relative_to(python.parents[1].resolve())
    assert printed[1] == "7"


def test_the_models_of_the_wheel_are_listed(start):
    _, started = start
    done = started("-m", "emrnas_jax.reconstruct", "--list_models")
    names = [line.partition(":")[0] for line in done.stdout.splitlines() if line]
    assert names == [*included_models()]
