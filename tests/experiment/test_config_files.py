"""Configs by the name that the command line gives them."""

# pyright: reportOptionalMemberAccess=false, reportAttributeAccessIssue=false

from pathlib import Path

import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.experiment import config_files
from emrnas_jax.experiment.config_files import ConfigParser, config_path, load_config

CONFIGS = Path(__file__).parents[2] / "configs"

OWN = """
from emrnas_jax.experiment.config_files import load_config

def get_config():
    config = load_config("configs/demo.py:tiny")
    config.data.height = 24
    return config
"""


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder that is not the repository's, in which the test works."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_variant_follows_a_colon():
    assert load_config(f"{CONFIGS}/demo.py").data.height == 64
    assert load_config(f"{CONFIGS}/demo.py:tiny").data.height == 16


@pytest.mark.usefixtures("elsewhere")
def test_the_package_has_its_configs_everywhere():
    assert config_path("configs/demo.py:tiny") == CONFIGS / "demo.py"
    assert load_config("configs/demo.py:tiny").data.height == 16
    parser = ConfigParser()
    assert parser.parse("./configs/demo.py:tiny").is_locked
    assert parser.packaged == CONFIGS / "demo.py"
    parser.parse(f"{CONFIGS}/demo.py")
    assert parser.packaged is None


def test_ones_own_file_is_used_where_there_is_one(elsewhere):
    own = elsewhere / "configs" / "demo.py"
    own.parent.mkdir()
    own.write_text(OWN.replace("demo.py", "cardiac.py").replace("tiny", "small"))
    assert config_path("configs/demo.py") == Path("configs/demo.py")
    parser = ConfigParser()
    assert parser.parse("configs/demo.py").data.path == "data/cardiac"
    assert parser.packaged is None


def test_ones_own_config_builds_on_one_of_the_package(elsewhere):
    (elsewhere / "mine.py").write_text(OWN)
    config = load_config("mine.py")
    assert (config.data.height, config.data.width) == (24, 16)
    with pytest.raises(InputError, match=r"mine\.py: no variant 'small', because"):
        load_config("mine.py:small")


@pytest.mark.parametrize(
    "name", ["configs/none.py", "demo.py", "other/configs/demo.py", "/configs/demo.py"]
)
def test_a_name_that_is_nowhere_is_told_with_those_that_there_are(name, elsewhere):
    with pytest.raises(InputError) as raised:
        load_config(f"{name}:tiny")
    assert str(raised.value) == (
        f"{name}: no such config in {elsewhere}; the package has configs/brain.py, "
        "configs/calgary.py, configs/cardiac.py, configs/cmrxrecon.py, "
        "configs/demo.py, configs/fastmri_brain.py, configs/fastmri_knee.py, "
        "configs/multicoil.py. Name one of these, or give the whole path of your own"
    )


def test_the_configs_of_a_wheel_lie_in_the_package(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "emrnas_jax"
    monkeypatch.setattr(
        config_files, "__file__", str(package / "experiment" / "config_files.py")
    )
    assert config_files.packaged_folder() == tmp_path / "site-packages" / "configs"
    (package / "configs").mkdir(parents=True)
    assert config_files.packaged_folder() == package / "configs"


def test_configs_of_the_package_import_no_others():
    """`configs` is no module where a wheel is installed."""
    for path in CONFIGS.glob("*.py"):
        assert "configs" not in {
            word.partition(".")[0]
            for line in path.read_text().splitlines()
            if line.startswith(("import ", "from "))
            for word in line.split()[1:2]
        }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "own.py: no config, it defines no function get_config"),
        ("x = 1\ny = = 2\n", "own.py, line 2: SyntaxError: invalid syntax"),
        ("import nowhere\n", "own.py, line 1: ModuleNotFoundError: No module named"),
        ("def get_config():\n    1 / 0\n", "own.py, line 2: ZeroDivisionError: "),
        ("def get_config():\n    pass\n", "own.py: get_config returned NoneType"),
        ("def get_config():\n    return {}\n", "own.py: get_config returned dict"),
    ],
)
def test_what_is_no_config_is_told_in_one_line(text, message, elsewhere):
    (elsewhere / "own.py").write_text(text)
    with pytest.raises(InputError) as raised:
        load_config("own.py")
    assert str(raised.value).startswith(message)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "config.networks.emrnas.architecture = ['O1', 'O8']",
            "architecture: expected text, found ['O1', 'O8']; write it as [O1 O8]",
        ),
        (
            "config.networks.emrnas.architecture = (('O1', 'O8'), ('O2', 'O3'))",
            "architecture: expected text, found (('O1', 'O8'), ('O2', 'O3')); write it "
            "as [O1 O8|O2 O3]",
        ),
        ("config.search.batch = '8'", "batch: expected a whole number, found '8'"),
        (
            "config.search.update(batch=8.0)",
            "batch: expected a whole number, found 8.0",
        ),
        ("config.reduced = 'no'", "reduced: expected True or False, found 'no'"),
        ("config.data.path = __import__('pathlib').Path('x')", "path: expected text, "),
        ("config.networks = 'dccnn'", "networks: expected a section, found 'dccnn'"),
        ("config.networks.dccnn.kind", "the config has no 'dccnn'"),
        ("config.search.bach", "the config has no 'bach' Did you mean \"batch\""),
    ],
)
def test_a_wrong_setting_of_ones_own_config_is_told_with_its_line(
    line, told, elsewhere
):
    (elsewhere / "own.py").write_text(OWN.replace("config.data.height = 24", line))
    with pytest.raises(InputError) as raised:
        load_config("own.py")
    assert str(raised.value).startswith(f"own.py, line 6: {told}")
    assert len(str(raised.value).splitlines()) == 1


def test_a_variant_that_does_not_exist_is_told_with_the_nearest():
    with pytest.raises(InputError) as raised:
        load_config(f"{CONFIGS}/cardiac.py:dcnn_real_small")
    message = str(raised.value)
    assert message.startswith(
        "--config: no variant 'dcnn_real'; did you mean dccnn_real or rdn_real? "
        "There are small, table2, table3, search_variants, consistency, included, "
        "same_minutes, half_hour, recipe, front, gate_variance, gate_ranking, "
        "gate_random, gate_paper; one network: emrnas, unet, dccnn, rdn, "
    )
    assert message.endswith("each of them also with _small behind")
    assert len(message.splitlines()) == 1
    with pytest.raises(InputError, match="no variant 'huge'; there are tiny, head, "):
        load_config(f"{CONFIGS}/demo.py:huge")
