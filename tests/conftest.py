"""Settings of every test: four CPU devices, and silent broadcasting is an error.

Programs that tests start inherit the settings below. The compiled programs are kept in
`.jax_cache`, for the other worker, for those programs, and for the next time.
"""

import os
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import pytest

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["JAX_NUM_CPU_DEVICES"] = "4"
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"
# Compiling is most of the work here, and programs this small gain nothing from LLVM's
# optimisations: without them the same suite takes half the time.
flags = [
    "--xla_backend_optimization_level=0",
    # One module instead of many, and no search for wide vectors: compiled sooner too.
    "--xla_cpu_parallel_codegen_split_count=1",
    "--xla_cpu_prefer_vector_width=128",
]
if version("jaxlib").startswith("0.10."):  # later versions do not have the choice
    flags.append("--xla_cpu_use_fusion_emitters=false")  # as fast, compiled sooner
os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *flags])
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(__file__).resolve().parents[1] / ".jax_cache")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")

TESTS = Path(__file__).parent
# What tests of these folders find is the same on every Python, if it runs at all.
ALIKE = [
    TESTS / name
    for name in (
        *("benchmark", "evaluation", "inference", "kernels", "models", "mri"),
        *("nas", "reporting", "training", "data", "experiment", "runs"),
    )
]
FIXTURES = ("common", "image_files", "networks", "reports", "scanner")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add an option for the run on a second Python."""
    parser.addoption(
        "--one-test",
        action="store_true",
        help="run only the first test of files whose tests depend on no version",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Load the fixtures that the tests of several folders share.

    The process that hands tests out to others runs none, and starts them sooner if it
    does not import what a test needs.
    """
    hands_out = config.getoption("numprocesses", None)
    if hands_out and not hasattr(config, "workerinput"):
        return
    for name in FIXTURES:
        config.pluginmanager.import_plugin(f"tests.fixtures.{name}")


@pytest.hookimpl(trylast=True)  # after `-m` has deselected
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Begin with the files whose tests are slow, the longest waits of all.

    A worker that met such a file last would compute alone at the end.
    """
    if config.getoption("one_test"):
        leave_first_tests(config, items)
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: (slow[item.path] == 0, item.path.parent != TESTS))


def leave_first_tests(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect all but the first test of each file in the folders `ALIKE`."""
    first: dict[Path, pytest.Item] = {}
    later = {
        item
        for item in items
        if any(folder in item.path.parents for folder in ALIKE)
        and first.setdefault(item.path, item) is not item
    }
    config.hook.pytest_deselected(items=list(later))
    items[:] = [item for item in items if item not in later]
