"""Imports point one way: a module knows those below it and none above.

The floors and the graph are those of `scripts/measure.py`, which prints them.
"""

from itertools import pairwise

import pytest

from tests.fixtures.scripts import load_script


@pytest.fixture(scope="module")
def measure():
    return load_script("measure")


@pytest.fixture(scope="module")
def graph(measure):
    return measure.import_graph(measure.sources("emrnas_jax"))


def test_no_import_runs_upward(measure, graph):
    assert list(measure.upward_imports(graph)) == []


def test_no_modules_import_each_other(measure, graph):
    assert measure.modules_in_circles(graph) == set()


def test_few_modules_stand_on_the_top_level(graph):
    assert len([module for module in graph if "." not in module]) <= 8


def test_every_floor_is_of_modules_that_there_are(measure, graph):
    wings = {module.split(".")[0] for module in graph}
    assert {wing for floor in measure.FLOORS for wing in floor} == wings


@pytest.mark.parametrize(
    ("target", "most"), [("kernels.convolution", 7), ("kernels.xla", 8)]
)
def test_the_way_from_main_to_a_convolution_is_short(measure, graph, target, most):
    way = measure.shortest_way(graph, "main", target)
    assert way[0] == "main"
    assert way[-1] == target
    assert all(after in graph[before] for before, after in pairwise(way))
    assert len(way) <= most, way


def test_no_function_is_longer_than_a_screen(measure):
    lengths = measure.function_lengths(measure.sources("emrnas_jax"))
    assert [own for own in lengths if own[1] > 60] == []


def test_a_package_itself_imports_nothing_of_another(measure):
    """Importing `mri.fourier` runs `mri/__init__.py`, which must not bring more."""
    package = measure.sources("emrnas_jax")
    for name, path in package.items():
        if name.endswith("__init__"):
            own = name.removesuffix("__init__")
            imported = set(measure.imports(path, package))
            assert all(other.startswith(own) for other in imported), path


@pytest.mark.parametrize(
    ("files", "upward", "circles"),
    [
        ({"mri": "from emrnas_jax.errors import E", "errors": ""}, 0, 0),
        ({"errors": "from emrnas_jax import mri", "mri": ""}, 1, 0),
        ({"mri": "from emrnas_jax.machine import a", "machine": "a = 1"}, 1, 0),
        (
            {
                "mri": "def f():\n    from emrnas_jax.errors import E",
                "errors": "import emrnas_jax.mri",
            },
            1,
            2,
        ),
    ],
)
def test_the_measures_find_what_is_wrong(measure, tmp_path, files, upward, circles):
    package = {}
    for name, text in files.items():
        package[name] = tmp_path / f"{name}.py"
        package[name].write_text(text)
    graph = measure.import_graph(package)
    assert len(list(measure.upward_imports(graph))) == upward
    assert len(measure.modules_in_circles(graph)) == circles
