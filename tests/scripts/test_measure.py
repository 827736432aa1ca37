"""The measures of `scripts/measure.py`, on files that are written by hand."""

import pytest

from tests.fixtures.scripts import load_script

SOURCE = '''"""A docstring
of two lines."""

import os  # a comment beside code


# A comment alone, whose # is no second one.
class Shape:
    """A docstring."""

    side: int
    """A docstring of a field."""

    def area(self):
        """Return the area.

        With a second paragraph.
        """
        text = """a string
over two lines"""

        return text, "# no comment"


def outer():
    def inner():
        return 1

    return inner
'''


@pytest.fixture(scope="module")
def measure():
    return load_script("measure")


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "shape.py"
    path.write_text(SOURCE)
    return path


def test_docstrings_comments_and_blank_lines_are_no_code(measure, source):
    # import, class, side, def, text (2), return; def, def, return, return.
    assert measure.code_lines(source) == 11


def test_a_line_with_code_and_a_comment_counts_as_both(measure, source):
    assert measure.comment_lines(source) == 2


def test_a_function_is_as_long_as_its_lines_without_its_docstring(measure, source):
    found = dict(measure.function_lengths({"shape": source}))
    assert found == {"shape.area": 4, "shape.outer": 4, "shape.inner": 2}


def test_the_shortest_of_several_ways_is_found(measure):
    graph = {"main": {"a", "b"}, "a": {"c"}, "c": {"end"}, "b": {"end"}, "end": set()}
    assert measure.shortest_way(graph, "main", "end") == ["main", "b", "end"]
    with pytest.raises(ValueError, match="no way of imports from end to main"):
        measure.shortest_way(graph, "end", "main")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("from . import errors", "line 1: relative import"),
        ("import os\nfrom emrnas_jax import absent", "line 2: imports emrnas_jax"),
    ],
)
def test_an_import_that_names_no_module_is_refused(measure, tmp_path, text, message):
    path = tmp_path / "module.py"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        list(measure.imports(path, {"module": path}))


def test_an_import_of_a_name_is_one_of_its_module(measure, tmp_path):
    path = tmp_path / "module.py"
    path.write_text("from emrnas_jax.mri import fourier\nimport emrnas_jax.mri.fourier")
    package = {"mri.fourier": path, "module": path}
    assert set(measure.imports(path, package)) == {"mri.fourier"}
    path.write_text("from emrnas_jax.mri.fourier import to_complex")
    assert list(measure.imports(path, package)) == ["mri.fourier"]


def test_a_module_on_no_floor_is_named(measure):
    with pytest.raises(ValueError, match=r"attic\.box stands on no floor"):
        measure.wing("attic.box")


def test_a_missed_goal_is_marked_and_fails(measure, monkeypatch, capsys):
    found = [
        measure.Measure("good", "1", "1", True),
        measure.Measure("bad", "2", "1", False),
    ]
    monkeypatch.setattr(measure, "measure", lambda: iter(found[:1]))
    assert measure.main() == 0
    monkeypatch.setattr(measure, "measure", lambda: iter(found))
    assert measure.main() == 1
    assert "\n! bad: 2 (goal 1)" in capsys.readouterr().out


@pytest.mark.slow
def test_the_ground_is_no_floor(measure):
    assert measure.FLOORS[0] == ("errors", "randomness")
    [floors] = [one for one in measure.measure() if one.name == "floors"]
    assert floors.found == str(len(measure.FLOORS) - 1)
