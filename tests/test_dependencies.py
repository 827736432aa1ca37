"""Every import is declared: what a plain installation lacks is found here, not there.

Names are compared with `pyproject.toml`. The package itself imports its dependencies
alone; what an extra brings it imports where it is used, within a function, so that it
also starts without the extra.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OWN = {"emrnas_jax", "configs", "tests"}

# Declared, and imported by another dependency.
IMPORTED_ELSEWHERE = {
    "array-record": "TensorFlow Datasets writes the cache in this format",
    "importlib-resources": "TensorFlow Datasets imports it and does not declare it",
}

# Modules that are of an extra as a whole; others import them within a function.
MODULES_OF_EXTRAS = {
    f"emrnas_jax/benchmark/pytorch/{name}.py": "torch"
    for name in ("convolution", "varnet", "half_resolution", "network", "steps")
}


class Import(NamedTuple):
    """An import of a file.

    Attributes:
        module: the whole name, with what is imported from it.
        deferred: whether it stands within a function, or is for type checkers alone.
        line: counted from 1.
    """

    module: str
    deferred: bool
    line: int


def imports(source: str) -> Iterator[Import]:
    """Imports of a file, and the names given to importorskip and import_module."""

    def visit(node: ast.AST, deferred: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, deferred, node.lineno)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                yield Import(f"{node.module}.{alias.name}", deferred, node.lineno)
        elif isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            first = node.args[0] if node.args else None
            if called in ("importorskip", "import_module") and isinstance(
                first, ast.Constant
            ):
                yield Import(str(first.value), True, node.lineno)
        within = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if isinstance(node, ast.If):
            within = getattr(node.test, "id", "") == "TYPE_CHECKING"
        for child in ast.iter_child_nodes(node):
            yield from visit(child, deferred or within)

    yield from visit(ast.parse(source), False)


def normal(name: str) -> str:
    """The name of a distribution as it is compared: `PyYAML` is `pyyaml`."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements: list[str]) -> set[str]:
    """The distributions of requirements such as `jax[cuda13]>=0.10`."""
    found = (re.match(r"[A-Za-z0-9._-]+", requirement) for requirement in requirements)
    return {normal(match[0]) for match in found if match}


INSTALLED = packages_distributions()
DEPENDENCIES = names(PROJECT["dependencies"])
EXTRAS = {
    name for own in PROJECT["optional-dependencies"].values() for name in names(own)
}


def distributions(module: str) -> set[str]:
    """The distributions that a module may be of; none for Python's and our own."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or top in OWN:
        return set()
    return {normal(name) for name in INSTALLED.get(top, [top])}


def undeclared(source: str, declared: set[str], deferred: set[str]) -> list[str]:
    """Imports of a file that it may not have, as `line: module`.

    Args:
        source: the file's text.
        declared: distributions that may be imported anywhere in it.
        deferred: those that may be imported within a function.
    """
    return [
        f"{found.line}: {found.module}"
        for found in imports(source)
        if (candidates := distributions(found.module))
        and not candidates & (declared | deferred if found.deferred else declared)
    ]


def files(*folders: str) -> list[str]:
    return sorted(
        str(path.relative_to(ROOT))
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
    )


PACKAGE = files("emrnas_jax", "configs")


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PACKAGE)
def test_the_package_imports_what_it_declares(path):
    own = {MODULES_OF_EXTRAS[path]} if path in MODULES_OF_EXTRAS else set()
    assert not undeclared(text(path), DEPENDENCIES | own, EXTRAS)


@pytest.mark.parametrize("path", files("tests", "scripts", "notebooks"))
def test_what_is_not_installed_imports_what_the_extras_declare(path):
    assert not undeclared(text(path), DEPENDENCIES | EXTRAS, set())


def test_a_module_of_an_extra_is_imported_within_functions():
    modules = {path[:-3].replace("/", ".") for path in MODULES_OF_EXTRAS}
    for path in set(PACKAGE) - MODULES_OF_EXTRAS.keys():
        for found in imports(text(path)):
            of_extra = modules & {found.module, found.module.rpartition(".")[0]}
            assert found.deferred or not of_extra, f"{path}:{found.line}"


def test_every_dependency_is_imported_by_the_package():
    used = {
        name
        for path in PACKAGE
        for found in imports(text(path))
        for name in distributions(found.module)
    }
    assert DEPENDENCIES - used == IMPORTED_ELSEWHERE.keys()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import yaml", ["1: yaml"]),
        ("import json, yaml.parser", ["1: yaml.parser"]),
        ("from yaml import load", ["1: yaml.load"]),
        ("if True:\n    import torch", ["2: torch"]),
        ("class A:\n    import torch", ["2: torch"]),
        ("def f():\n    import torch, yaml", ["2: yaml"]),
        ("if TYPE_CHECKING:\n    import torch, yaml", ["2: yaml"]),
        ("from importlib import import_module\nimport_module('yaml.x')", ["2: yaml.x"]),
        ("import os, jax.numpy\nfrom PIL import Image\nfrom configs import demo", []),
    ],
)
def test_an_import_that_is_not_declared_is_found(source, found):
    assert undeclared(source, {"jax", "pillow"}, {"torch"}) == found


def test_requirements_are_read_to_the_end_of_their_names():
    given = ["jax[cuda13]>=0.10", "PyYAML", "importlib_resources >= 6", "a.b~=1"]
    assert names(given) == {"jax", "pyyaml", "importlib-resources", "a-b"}
