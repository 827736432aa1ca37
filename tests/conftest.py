"""Settings of every test: four CPU devices, and silent broadcasting is an error.

Programs that tests start inherit the settings below. The compiled programs are kept in
`.jax_cache`, for the other worker, for those programs, and for the next time.
"""

import contextlib
import logging
import os
from collections import Counter
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["JAX_NUM_CPU_DEVICES"] = "4"
# Compiling is most of the work here, and programs this small gain nothing from LLVM's
# optimisations: without them the same suite takes half the time.
os.environ["XLA_FLAGS"] = (
    f"{os.environ.get('XLA_FLAGS', '')} --xla_backend_optimization_level=0"
)
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(__file__).resolve().parents[1] / ".jax_cache")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")

import jax
import numpy as np
import pytest
from hypothesis import settings

from emrnas_jax.machine import processes, progress

# Fixtures that the tests of several folders share.
pytest_plugins = ("tests.fixtures.image_files", "tests.fixtures.runs")

TESTS = Path(__file__).parent

jax.config.update("jax_numpy_rank_promotion", "raise")

settings.register_profile(
    "repeatable", deadline=None, derandomize=True, max_examples=20
)
settings.load_profile("repeatable")


@pytest.hookimpl(trylast=True)  # after `-m` has deselected
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files whose tests are slow, the longest waits of all.

    A worker that met such a file last would compute alone at the end.
    """
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: (slow[item.path] == 0, item.path.parent != TESTS))


class Kept(logging.Handler):
    """Keeps the text of every log record."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


@contextlib.contextmanager
def listening():
    """Collect the log lines that a program without progress bars prints."""
    own, kept = logging.getLogger("emrnas_jax"), Kept()
    level = own.level
    own.setLevel(logging.INFO)
    own.addHandler(kept)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "bars_are_seen", lambda: False)
        yield kept.lines
    own.removeHandler(kept)
    own.setLevel(level)


@pytest.fixture(scope="session")
def listen():
    """Collect log lines in a `with` block, in a fixture of a wider scope too."""
    return listening


@pytest.fixture
def said(listen):
    """Collect the lines that the package logs during a test."""
    with listen() as lines:
        yield lines


@pytest.fixture
def impatient(monkeypatch):
    """Log every progress line at once instead of one a minute."""
    monkeypatch.setattr(progress.Pace, "is_due", lambda *_, **__: True)


class Hand:
    """A clock that stands still until a test sets its seconds."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return Hand()


@pytest.fixture(scope="session")
def shared_data():
    """Return the folder of the real data; skip the test on a machine without them."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("EMRNAS_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; set EMRNAS_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def make_model(tmp_path_factory):
    """Write the folder of a trained network: one cell with random weights."""
    made = {}

    def make(images="magnitude", consistency="two_step", name="fold_1/emrnas"):
        if (images, consistency, name) not in made:
            run = tmp_path_factory.mktemp("run")
            made[images, consistency, name] = write_model(
                run / name, images, consistency
            )
        return made[images, consistency, name]

    return make


def write_model(folder, images, consistency, step=7):
    from emrnas_jax.models.record import NetworkRecord
    from emrnas_jax.runs.checkpoints import Checkpoints
    from emrnas_jax.training.retrain import identity
    from emrnas_jax.training.retrain_steps import initial_state
    from emrnas_jax.training.settings import RetrainSettings

    settings = {"architecture": "[O8]", "components": 1, "cells_per_block": 1}
    settings |= {"width": 4, "consistency": consistency}
    sampling = {"kind": "cartesian", "rate": 0.3}
    record = NetworkRecord("emrnas", settings, sampling, images, (16, 16), seed=3)
    record.write(folder / "network.json")
    network, random = record.build(), np.random.default_rng(0)
    # Shapes alone: drawing the weights as a training does would compile for seconds.
    shapes = jax.eval_shape(
        lambda: initial_state(network, RetrainSettings(), jax.random.key(0))
    )
    state = jax.tree.map(
        lambda leaf: jax.numpy.asarray(random.normal(0, 0.2, leaf.shape), leaf.dtype),
        shapes,
    )
    checkpoints = Checkpoints(folder / "checkpoints", identity(record))
    checkpoints.save(step, state)
    checkpoints.close()
    return folder
