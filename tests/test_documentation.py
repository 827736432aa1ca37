"""The README and the pages of docs/ name what exists, and their examples run.

Commands are parsed, not started: every flag exists and takes the value that is written,
every config has the variant and the setting. What starts them is in `test_main`,
`test_reconstruct`, `test_installed` and `test_notebooks`. Words in capitals stand for
what a reader fills in.
"""

# pyright: reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# (a ConfigDict declares its values as anything JSON can hold)

import ast
import importlib
import importlib.util
import pkgutil
import re
import shlex
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import h5py
import jax
import numpy as np
import pytest
from absl import flags
from ml_collections import config_flags
from PIL import Image

from emrnas_jax.data.readers import recognition
from emrnas_jax.data.readers.source import read_file
from emrnas_jax.evaluation.latency import measured_here
from emrnas_jax.experiment.config_files import load_config
from emrnas_jax.experiment.overrides import require_overrides
from emrnas_jax.models import networks
from emrnas_jax.models.included import included_models
from emrnas_jax.mri.coils import birdcage_maps
from emrnas_jax.nas import space
from emrnas_jax.nas.latency_table import LatencyTable, write_table
from emrnas_jax.runs.results import Results
from emrnas_jax.runs.run import read_run
from emrnas_jax.training.retrain_settings import RetrainSettings
from emrnas_jax.training.retrain_steps import initial_state

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
]
EXTENDING = ROOT / "docs" / "extending.md"
COMMANDS = (
    "main",
    "reconstruct",
    "inspect",
    "compare",
    "export",
    "import_weights",
    "benchmark",
    "latency",
)
# Folders that commands of the pages write to.
WRITTEN = {"benchmarks/gpu"}
PATH = re.compile(
    r"(?<![\w/.~-])((?:emrnas_jax|configs|scripts|tests|notebooks|benchmarks|docs)"
    r"/[\w./-]*\w)"
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`([^`]+)`")

each_page = pytest.mark.parametrize(
    "page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES]
)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in FENCE.findall(text_of(page)) if kind == language]


def spans(page: Path) -> list[str]:
    """Code within sentences and tables, each on one line."""
    return [
        " ".join(span.split()) for span in SPAN.findall(FENCE.sub("", text_of(page)))
    ]


def commands(page: Path) -> Iterator[tuple[str, list[str]]]:
    """The commands of the package, each as its module and its arguments."""
    joined = [re.sub(r"\\\n|&&\n", " ", block) for block in blocks(page, "")]
    for text in (*joined, *spans(page)):
        for module, rest in re.findall(r'python -m emrnas_jax\.(\w+)([^\n"]*)', text):
            yield module, shlex.split(filled_in(rest), comments=True)


def filled_in(words: str) -> str:
    """Put something that exists in place of words in capitals that must name it."""
    words = re.sub(r"(?<=\.py:)NAME", "dccnn", words)
    return re.sub(r"(?<=networks\.)NAME", "emrnas", words)


@pytest.fixture
def parse(monkeypatch):
    """Parse the arguments of a command, with flags that no other command sees."""

    def parsed(module: str, arguments: list[str]) -> None:
        if module == "main":
            parse_main(arguments)
            return
        with monkeypatch.context() as patch:
            parse_apart(module, arguments, patch)

    return parsed


def parse_apart(module: str, arguments: list[str], patch: pytest.MonkeyPatch) -> None:
    values = flags.FlagValues()
    own = [(flags, name) for name in dir(flags) if name.startswith("DEFINE_")]
    own.remove((flags, "DEFINE_flag"))  # takes the values of its caller
    for place, name in (*own, (config_flags, "DEFINE_config_file")):
        define = partial(getattr(place, name), flag_values=values)
        patch.setattr(place, name, define)
    patch.setattr(flags, "FLAGS", values)
    program = importlib.import_module(entry(module))
    if module == "benchmark":  # its commands have flags of their own
        program.parse(arguments)
        return
    program.define_flags()
    values.set_gnu_getopt(True)  # as the programs have it: flags may come last
    words = values([module, *arguments])
    assert not any(word.startswith("-") for word in words)


def entry(module: str) -> str:
    """The module that defines the flags of a command."""
    part = {"benchmark": ".command", "latency": ".__main__"}.get(module, "")
    return f"emrnas_jax.{module}{part}"


def parse_main(arguments: list[str]) -> None:
    importlib.import_module("emrnas_jax.main")  # defines its flags
    for argument in arguments:
        name, _, value = argument.removeprefix("--").partition("=")
        if name == "config":
            load_config(value)
        elif not name.startswith("config."):
            flags.FLAGS[name].parser.parse(value or "true")
    [config] = [a for a in arguments if a.startswith("--config=")]
    require_overrides(load_config(config.removeprefix("--config=")), arguments)


@pytest.fixture
def plain(monkeypatch):
    """The network that docs/extending.md adds."""
    namespace: dict = {}
    exec(blocks(EXTENDING, "python")[1], namespace)
    monkeypatch.setitem(networks.NETWORKS, "plain", namespace["plain"])
    return namespace["plain"]


def test_the_readme_is_one_page():
    assert len(text_of(ROOT / "README.md").splitlines()) <= 150


def script(name: str):
    """A program of scripts/, as a module."""
    path = ROOT / "scripts" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_floors_are_those_that_the_imports_obey():
    rows = re.findall(r"^\| (\d) \| ([^|]+) \|", text_of(EXTENDING), re.MULTILINE)
    written = {
        int(floor): tuple(re.findall(r"`(\w+)`", names)) for floor, names in rows
    }
    assert written == dict(enumerate(script("measure").FLOORS))


def test_each_file_on_the_way_to_a_convolution_imports_the_next():
    way = text_of(EXTENDING).split("The way from the command to a convolution:")[1]
    way = way.split("The compiled steps")[0]
    paths = re.findall(r"emrnas_jax/([\w/]+)\.py", way)
    names = [path.replace("/", ".") for path in paths]
    assert len(names) == 7
    measure = script("measure")
    graph = measure.import_graph(measure.sources("emrnas_jax"))
    for name, following in pairwise(names):
        assert following in graph[name]


def test_the_sections_of_a_config_are_all_explained():
    table = text_of(ROOT / "docs" / "runs.md").split("| section | settings |")[1]
    first = re.findall(r"^\| (`[^|]*) \|", table.split("\n\n")[0], re.MULTILINE)
    written = {name for cell in first for name in re.findall(r"\w+", cell)}
    assert written == set(load_config("configs/cardiac.py")) - {"seed", "reduced"}


def test_the_fields_of_the_results_are_all_explained():
    table = text_of(ROOT / "docs" / "runs.md").split("| field | content |")[1]
    first = re.findall(r"^\| (`[^|]*) \|", table.split("\n\n")[0], re.MULTILINE)
    written = [name for cell in first for name in re.findall(r"\w+", cell)]
    assert sorted(written) == sorted(Results.__struct_fields__)


def test_the_pictures_are_small():
    for picture in (ROOT / "docs").glob("*.png"):
        assert picture.stat().st_size < 200_000


def test_the_picture_of_the_readme_can_be_made_again(run, tmp_path, capsys):
    path = tmp_path / "picture.png"
    assert script("readme_picture").main([str(run), str(path)]) == 0
    assert "zero-filled" in capsys.readouterr().out
    with Image.open(path) as made, Image.open(ROOT / "docs/reconstruction.png") as kept:
        assert made.size == kept.size == (900, kept.height)


def test_the_frame_of_the_picture_is_the_one_of_median_gain():
    program = script("readme_picture")
    nothing = np.zeros((2, 2))
    gains = {3.0: 9.0, 1.0: 20.0, 2.0: 6.0}  # the zero-filled PSNR of each gain
    frames = [
        program.Frame(nothing > 0, nothing, before, nothing, before + gain, nothing)
        for gain, before in gains.items()
    ]
    assert program.median_frame(frames).zero_filled_db == 6.0


@each_page
def test_every_path_exists(page):
    missing = {
        path
        for path in PATH.findall(text_of(page))
        if not (ROOT / path).exists() and not (page.parent / path).exists()
    }
    assert missing <= WRITTEN


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub's links name them."""
    titles = re.findall(r"^#+ (.*)$", FENCE.sub("", text_of(page)), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles}


@each_page
def test_every_link_leads_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text_of(page))):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_every_page_is_reached_from_the_readme():
    reached, found = {ROOT / "README.md"}, [ROOT / "README.md"]
    while found:
        page = found.pop()
        for link in re.findall(r"\]\(([^)#\s]+\.md)", text_of(page)):
            other = (page.parent / link).resolve()
            if other not in reached:
                reached.add(other)
                found.append(other)
    cards = {folder / "README.md" for folder in included_models().values()}
    assert reached == {*PAGES, *cards}


@each_page
def test_every_dotted_name_exists(page):
    text = re.sub(
        r"^```text\n.*?^```$", "", text_of(page), flags=re.DOTALL | re.MULTILINE
    )
    for name in re.findall(r"\bemrnas_jax(?:\.\w+)+", text):
        if importlib.util.find_spec(name.rpartition(".")[0]) is None:
            pytest.fail(name)
        pkgutil.resolve_name(name)


@each_page
def test_a_name_that_is_in_a_file_is_defined_there(page):
    """`OPERATIONS` in `emrnas_jax/nas/space.py`, and the like."""
    text = " ".join(text_of(page).split())
    for name, path in re.findall(r"`(\w+)`,? in `(emrnas_jax/[\w/]+\.py)`", text):
        defined = rf"^((class|def) {name}\b|{name}\b.*=)"
        assert re.search(defined, text_of(ROOT / path), re.MULTILINE), (name, path)


@each_page
def test_every_config_has_its_variants(page, plain):
    for name in re.findall(r"configs/\w+\.py(?::\w+)?", text_of(page)):
        config = load_config(filled_in(name))
        assert name != "configs/demo.py:plain" or config.networks.plain.width == 16
    assert callable(plain)


@each_page
def test_every_command_of_the_package_parses(page, parse):
    for module, arguments in commands(page):
        assert module in COMMANDS
        if not arguments:
            continue  # named in a sentence
        try:
            parse(module, arguments)
        except (flags.Error, KeyError, SystemExit) as error:
            pytest.fail(f"{module} {' '.join(arguments)}: {error}")


def test_there_are_commands_to_parse():
    every = [module for page in PAGES for module, _ in commands(page)]
    assert set(every) == set(COMMANDS)
    assert len(every) > 20


def defined_flags() -> set[str]:
    """The flags of all commands, from their source."""
    found = set()
    paths = [
        (ROOT / entry(module).replace(".", "/")).with_suffix(".py")
        for module in COMMANDS
    ]
    paths.append(ROOT / "emrnas_jax" / "benchmark" / "options.py")
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    found.add(first.value.removeprefix("--"))
    return found


@each_page
def test_every_flag_exists(page, plain):
    assert callable(plain)
    known = defined_flags()
    for span in spans(page):
        for name, value in re.findall(r"(?:^| )--([\w.]+)(?:=(\S+))?", span):
            if name == "config":
                load_config(filled_in(value))
            elif name.startswith("config.") and name != "config.KEY":
                word = filled_in(f"--{name}={value}" if value else f"--{name}=")
                config = load_config("configs/cardiac.py")
                require_overrides(config, [word] if value else [])
                if not value:
                    assert name.removeprefix("config.").split(".")[0] in config, name
            elif name != "config.KEY":
                assert name in known or page.name == "GPU.md", name


@each_page
def test_every_script_has_its_options(page):
    text = re.sub(r"\\\n", " ", text_of(page))
    for path, rest in re.findall(r"(scripts/\w+\.(?:py|sh))([^\n`]*)", text):
        source = (ROOT / path).read_text()
        for option in re.findall(r"--([a-z]\w*)", rest):
            assert f'"{option}"' in source, (path, option)


# How the Python on the pages is run. Every block has its entry.


def write_images(code, folder, _):
    images = np.random.default_rng(0).random((3, 16, 16))
    exec(code, {"images": images})
    with h5py.File(folder / "subject_1.h5") as file:
        np.testing.assert_array_equal(np.asarray(file["images"]), images)
    source, files = recognition.recognise(folder)
    assert [path.name for path in files] == ["subject_1.h5"]
    assert len(list(read_file(source, files[0]))) == 3


def reconstruct(code, folder, request):
    network = request.getfixturevalue("make_model")()  # RUN/fold_1/emrnas
    (folder / "runs").mkdir()
    (folder / "runs" / "cardiac").symlink_to(network.parents[1])
    random = np.random.default_rng(0)
    mask = (random.random((16, 1)) < 0.4) | (np.arange(16) == 0)[:, None]
    names = {"frames": random.random((2, 16, 16)), "mask": mask}
    exec(code, names)
    assert names["images"].shape == (2, 16, 16)
    assert names["images"].dtype == np.float32
    assert np.isfinite(names["images"]).all()


def own_config(code, folder, _):
    (folder / "mine.py").write_text(code)
    assert load_config("mine.py").retrain.epochs == 40


def operation(code, _, request):
    request.getfixturevalue("monkeypatch")
    names = {"TABLE_1": space.TABLE_1, "Operation": space.Operation}
    exec(code, names)
    found = space.Architecture.parse("[O9 O1]", names["OPERATIONS"])
    assert str(found) == "[O9 O1]"


def network(_, __, request):
    plain = request.getfixturevalue("plain")
    assert not networks.takes_architecture("plain")
    built = networks.build_network("plain", {"components": 1, "width": 4})
    assert type(built) is type(plain())
    key = jax.random.key(0)
    state = jax.eval_shape(lambda: initial_state(built, RetrainSettings(), key))
    # Convolutions 2 -> 4, 4 -> 4 and 4 -> 2 with their biases.
    assert networks.parameter_count(state.weights) == 9 * (8 + 16 + 8) + 4 + 4 + 2


def reader(code, folder, request):
    names: dict = {}
    exec(code, names)
    images = np.random.default_rng(0).random((3, 16, 16)) * 700
    np.save(folder / "subject_7.npy", images)
    patch = request.getfixturevalue("monkeypatch")
    every = (*recognition.SOURCES, names["SOURCE"])
    patch.setattr(recognition, "SOURCES", every)
    source, files = recognition.recognise(folder)
    assert source is names["SOURCE"]
    found = list(read_file(source, files[0]))
    assert [(own.subject, own.slice) for own in found] == [
        ("subject_7", number) for number in range(3)
    ]
    stack = np.stack([own.image for own in found])
    np.testing.assert_allclose(stack, images / images.max(), rtol=1e-6)


def figure(code, _, request):
    run = read_run(request.getfixturevalue("run"))
    names: dict = {}
    exec(code, names)
    found = names["gain_pictures"](run)
    assert [one.name for one in found] == [f"gain_fold_{fold}" for fold in (1, 2, 3)]
    assert found[0].png.startswith(b"\x89PNG")


def latency(code, folder, _):
    settings = networks.complete_settings("emrnas", {"architecture": "cardiac"})
    table = LatencyTable(
        measured=measured_here("emrnas", settings, (256, 256), 1, 0),
        jax="",
        rest_ms=10.0,
        operations_ms={own.name: 5.0 for own in space.OPERATIONS},
    )
    write_table(folder / "table.json", table)
    names: dict = {}
    exec(code, names)
    assert names["table"].predict_ms(space.PRESETS["brain"]) == 10 + 15 * 5


def coils(code, _, __):
    row, column = np.ogrid[-1:1:32j, -1:1:32j]
    truth = np.where(row**2 + column**2 < 0.5, 0.5 + 0.3 * np.cos(4 * row), 0)
    maps = np.asarray(birdcage_maps(4, truth.shape))
    mask = np.zeros(truth.shape, bool)
    mask[:, np.fft.fftfreq(32, 1 / 32).astype(int) % 3 != 1] = True
    mask[:, :5] = mask[:, -5:] = True
    names = {"mask": mask, "kspace": np.fft.fft2(truth * maps, norm="ortho") * mask}
    exec(code, names)
    assert np.linalg.norm(names["image"] - truth) < 0.1 * np.linalg.norm(truth)


EXAMPLES = {
    "README.md": (write_images, reconstruct),
    "data.md": (write_images, coils, reconstruct),
    "runs.md": (own_config,),
    "networks.md": (latency,),
    "extending.md": (operation, network, reader, figure),
}


@pytest.mark.parametrize(
    ("name", "number", "run_example"),
    [(n, i, run) for n, every in EXAMPLES.items() for i, run in enumerate(every)],
)
def test_every_example_runs(name, number, run_example, tmp_path, monkeypatch, request):
    monkeypatch.chdir(tmp_path)
    [page] = [
        page
        for page in PAGES
        if page.name == name and page.parent != ROOT / "benchmarks"
    ]
    run_example(blocks(page, "python")[number], tmp_path, request)


def test_every_example_is_run():
    found = {
        str(page.relative_to(ROOT)): len(blocks(page, "python"))
        for page in PAGES
        if blocks(page, "python")
    }
    assert {Path(name).name: count for name, count in found.items()} == {
        name: len(every) for name, every in EXAMPLES.items()
    }


def test_the_python_of_the_readme_is_five_lines():
    lines = blocks(ROOT / "README.md", "python")[1].splitlines()
    assert len([line for line in lines if line]) == 5
