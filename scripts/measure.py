"""Measure the structure of the package from its syntax trees alone.

    python scripts/measure.py

Prints a line for each measure with its goal; the exit status is 1 if one is missed.
`FLOORS` states the floors, and `tests/test_layers.py` holds every import to them.
Needs nothing but Python.
"""

import ast
import io
import statistics
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "emrnas_jax"

# The package from the ground up: eight floors, on a ground of two modules that all may
# import. A wing is a folder or a top-level module. A module imports from its own wing
# and from the floors below; the wings of one floor do not know each other.
FLOORS = (
    ("errors", "randomness"),
    ("kernels",),
    ("machine", "mri"),
    ("nas", "data"),
    ("models", "runs"),
    ("evaluation",),
    ("training", "reporting"),
    ("inference", "experiment", "benchmark"),
    (
        "main",
        "reconstruct",
        "inspect",
        "compare",
        "import_weights",
        "export",
        "latency",
    ),
)


class Measure(NamedTuple):
    """A measure of the package.

    Attributes:
        name: name of the measure.
        found: value that was found, in words.
        goal: value that is wanted, in words.
        reached: whether the value meets its goal.
    """

    name: str
    found: str
    goal: str
    reached: bool


def main() -> int:
    """Print all measures, and return 1 if one misses its goal."""
    measures = list(measure())
    for one in measures:
        mark = "  " if one.reached else "! "
        print(f"{mark}{one.name}: {one.found} (goal {one.goal})")
    return 0 if all(one.reached for one in measures) else 1


def measure() -> Iterator[Measure]:
    """Yield every measure."""
    package, tests = sources(PACKAGE), sources("tests")
    graph = import_graph(package)
    upward = list(upward_imports(graph))
    above = len(FLOORS) - 1  # the ground is no floor
    yield Measure("floors", str(above), "at most 8", above <= 8)
    yield Measure("imports that run upward", str(len(upward)), "0", not upward)
    circles = modules_in_circles(graph)
    yield Measure("modules in a circle", str(len(circles)), "0", not circles)
    top = [name for name in package if "." not in name and name != "__init__"]
    yield Measure("top-level modules", str(len(top)), "at most 8", len(top) <= 8)

    lengths = sorted(length for _, length in function_lengths(package))
    longest = max(function_lengths(package), key=lambda own: own[1])
    middle = statistics.median(lengths)
    tenth = lengths[int(0.9 * len(lengths))]
    yield Measure(
        "lines of a function, median / 90 % / longest",
        f"{middle:g} / {tenth} / {longest[1]} ({longest[0]})",
        "at most 10 / - / 60",
        middle <= 10 and longest[1] <= 60,
    )
    code = sum(code_lines(path) for path in package.values())
    comments = sum(comment_lines(path) for path in package.values())
    density = 100 * comments / code
    yield Measure(
        "comments per 100 lines of code", f"{density:.1f}", "at least 7", density >= 7
    )
    ratio = sum(code_lines(path) for path in tests.values()) / code
    yield Measure("tests : source, lines", f"{ratio:.2f}", "at least 1", ratio >= 1)

    for target, most in (("kernels.convolution", 7), ("kernels.xla", 8)):
        way = shortest_way(graph, "main", target)
        yield Measure(
            f"files from main to {target}",
            f"{len(way)} ({' > '.join(way)})",
            f"at most {most}",
            len(way) <= most,
        )
    readme = len((ROOT / "README.md").read_text(encoding="utf-8").splitlines())
    yield Measure("lines of README", str(readme), "at most 150", readme <= 150)


def sources(folder: str) -> dict[str, Path]:
    """Return the Python files of a folder by dotted name."""
    root = ROOT / folder
    return {
        ".".join(path.relative_to(root).with_suffix("").parts): path
        for path in sorted(root.rglob("*.py"))
    }


def import_graph(package: dict[str, Path]) -> dict[str, set[str]]:
    """Return the modules that each module imports, also within its functions."""
    return {
        name: set(imports(path, package))
        for name, path in package.items()
        if not name.endswith("__init__")
    }


def imports(path: Path, package: dict[str, Path]) -> Iterator[str]:
    """Yield the modules of the package that a file imports.

    Raises:
        ValueError: an import is relative, or imports a package as a whole.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise ValueError(f"{path}, line {node.lineno}: relative import")
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            first, _, rest = name.partition(".")
            if first != PACKAGE:
                continue
            # `from a.b import c` imports the module a.b.c, or a name of the module a.b.
            own = rest if rest in package else rest.rpartition(".")[0]
            if own not in package:
                raise ValueError(f"{path}, line {node.lineno}: imports {name}")
            yield own


def wing(module: str) -> str:
    """Return the wing of a module, such as `mri` for `mri.fourier`.

    Raises:
        ValueError: the module stands on no floor.
    """
    first = module.split(".")[0]
    if not any(first in floor for floor in FLOORS):
        raise ValueError(f"{PACKAGE}.{module} stands on no floor; add it to FLOORS")
    return first


def upward_imports(graph: dict[str, set[str]]) -> Iterator[tuple[str, str]]:
    """Yield the imports that do not run down, each as (module, imported module)."""
    floor = {name: i for i, names in enumerate(FLOORS) for name in names}
    for module, imported in graph.items():
        for other in imported:
            own, theirs = wing(module), wing(other)
            if own != theirs and floor[theirs] >= floor[own]:
                yield module, other


def modules_in_circles(graph: dict[str, set[str]]) -> set[str]:
    """Return the modules of circular imports, and the modules that import those."""
    left = set(graph)
    # Whoever imports nothing that is left is in no circle; circles are what remains.
    while free := {name for name in left if not graph[name] & left}:
        left -= free
    return left


def shortest_way(graph: dict[str, set[str]], start: str, end: str) -> list[str]:
    """Return the fewest modules that lead by imports from `start` to `end`.

    Raises:
        ValueError: no imports lead there.
    """
    ways = [[start]]
    seen = {start}
    # The list grows while it is read: breadth first, so the first way is shortest.
    for way in ways:
        for other in sorted(graph[way[-1]] - seen):
            if other == end:
                return [*way, end]
            seen.add(other)
            ways.append([*way, other])
    raise ValueError(f"no way of imports from {start} to {end}")


def function_lengths(package: dict[str, Path]) -> Iterator[tuple[str, int]]:
    """Yield each function with its number of lines, without docstring and blank lines.

    The lines of a function within it count for both.
    """
    for module, path in package.items():
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            start, own = node.lineno - 1, node.body[0]
            filled = [bool(line.strip()) for line in lines]
            length = sum(filled[start : node.end_lineno])
            if ast.get_docstring(node) is not None:
                length -= sum(filled[own.lineno - 1 : own.end_lineno])
            yield f"{module}.{node.name}", length


def comment_lines(path: Path) -> int:
    """Return the number of lines with a comment."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline)
    return len({token.start[0] for token in tokens if token.type == tokenize.COMMENT})


def code_lines(path: Path) -> int:
    """Return the number of lines with code, neither docstring nor comment alone."""
    text = path.read_text("utf-8")
    # A string that stands alone is a docstring, of whatever it follows.
    without = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    ignored = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT)
    ignored += (tokenize.DEDENT, tokenize.ENDMARKER)
    found: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in ignored:
            # A string over several lines is one token.
            found.update(range(token.start[0], token.end[0] + 1))
    return len(found - without)


if __name__ == "__main__":
    sys.exit(main())
