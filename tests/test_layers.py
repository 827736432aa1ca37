"""Imports point one way: a module knows those below it and none above."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "emrnas_jax"

# From the bottom up. Names of one tuple do not know each other (`mri` and `nas`), but
# leaves may.
LAYERS = [
    (
        "errors",
        "config_files",
        "setting_types",
        "overrides",
        "randomness",
        "devices",
        "processes",
        "progress",
        "files",
        "host",
        "runlog",
        "checkpoints",
        "run_folder",
        "provenance",
        "native.library",
    ),
    ("mri", "nas"),
    ("data",),
    ("models",),
    ("evaluation",),
    ("training",),
    ("reporting",),
    ("systems", "sections", "paper"),
    ("experiment",),
    ("scoring", "plan"),
    ("fold_training",),
    ("protocol", "inference"),
    ("main", "reconstruct", "import_weights", "compare", "evaluation.benchmark"),
]
LEAVES = LAYERS[0]


def part_of(module):
    """The entry of LAYERS that a module, `mri.fourier` for example, belongs to."""
    names = [name for layer in LAYERS for name in layer]
    fitting = [n for n in names if module == n or module.startswith(f"{n}.")]
    assert fitting, f"emrnas_jax.{module} stands in no layer; add it to LAYERS"
    return max(fitting, key=len)


def rank(part):
    return next(i for i, layer in enumerate(LAYERS) if part in layer)


def imports(path):
    """Modules of the package that a file imports, wherever in it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names]
            names = [n if is_module(n) else module for n in names]
        else:
            continue
        yield from (n for n in names if n.split(".")[0] == "emrnas_jax")


def is_module(name):
    place = PACKAGE.parent.joinpath(*name.split("."))
    return place.is_dir() or place.with_suffix(".py").is_file()


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[-1] != "__init__":
            yield ".".join(parts), path


@pytest.mark.parametrize("module", dict(modules()))
def test_a_module_imports_only_what_is_below_it(module):
    own = part_of(module)
    for name in imports(dict(modules())[module]):
        imported = name.removeprefix("emrnas_jax").removeprefix(".")
        assert imported, f"{module} imports the whole package"
        part = part_of(imported)
        among_leaves = own in LEAVES and part in LEAVES
        assert part == own or among_leaves or rank(part) < rank(own), (
            f"{module} imports {name}, which is not below it"
        )


def test_imports_of_leaves_make_no_circle():
    files = dict(modules())
    known = {
        leaf: {n.removeprefix("emrnas_jax.") for n in imports(files[leaf])}
        for leaf in LEAVES
    }
    left = set(LEAVES)
    while left:
        free = {leaf for leaf in left if not known[leaf] & left}
        assert free, f"{sorted(left)} import each other"
        left -= free


def test_a_package_itself_imports_nothing_of_another():
    """Importing `mri.fourier` runs `mri/__init__.py`, which must not bring more."""
    for path in PACKAGE.rglob("__init__.py"):
        own = ".".join(path.parent.relative_to(PACKAGE.parent).parts)
        assert all(name.startswith(f"{own}.") for name in imports(path)), path
