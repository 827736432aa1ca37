"""Settings that cannot work are refused before anything is written."""

import dataclasses
import runpy
from functools import partial
from pathlib import Path

import jax
import pytest
from ml_collections import ConfigDict

from emrnas_jax.data.dataset import open_dataset
from emrnas_jax.data.phantom import PhantomSettings
from emrnas_jax.errors import InputError
from emrnas_jax.experiment import paper
from emrnas_jax.experiment.experiment import Experiment
from emrnas_jax.experiment.protocol import run_protocol
from emrnas_jax.machine.json_files import write_json
from emrnas_jax.models.catalogue import CATALOGUE
from emrnas_jax.models.dccnn import dccnn
from emrnas_jax.models.networks import NETWORKS, build_network, parameter_count
from emrnas_jax.nas.space import TABLE_1, Operation
from emrnas_jax.runs.folder import RunFolder
from emrnas_jax.runs.lock import locked
from emrnas_jax.training.retrain_steps import initial_variables

VARIANTS = [
    *("small", "table2", "table3", "search_variants", "consistency"),
    *NETWORKS,
    *CATALOGUE,
]
CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.py"))


def get_config(name: str, variant: str | None = None):
    path = next(path for path in CONFIGS if path.stem == name)
    return runpy.run_path(str(path))["get_config"](variant)


def sections_of(settings, place=""):
    """All sections of a config by their whole key, those of networks included."""
    for key, value in settings.items():
        whole = f"{place}{key}"
        if isinstance(value, dict) and whole != "networks":
            yield whole, value
        if isinstance(value, dict) and whole.partition(".")[0] == "networks":
            yield from sections_of(value, f"{whole}.")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_section_of_a_config_goes_whole_into_what_checks_it(path, tmp_path):
    """A key more is refused wherever it stands, so no section has a key for nothing."""
    settings = runpy.run_path(str(path))["get_config"]().to_dict()
    Experiment(ConfigDict(settings), tmp_path / "run")
    sections = list(sections_of(settings))
    assert {name for name, _ in sections} >= settings.keys() - {
        *("seed", "reduced", "networks")
    }
    for name, section in sections:
        section["no_such_key"] = 1
        with pytest.raises(InputError, match="no_such_key") as raised:
            Experiment(ConfigDict(settings), tmp_path / "run")
        assert name.rpartition(".")[2] in str(raised.value)
        del section["no_such_key"]


def test_sense_is_refused_without_coils(tmp_path):
    with pytest.raises(InputError, match=r"networks\.sense: SENSE needs several coils"):
        Experiment(get_config("demo", "sense"), tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        *(("cardiac", name) for name in VARIANTS if name != "sense"),
        *(
            ("cardiac", f"{name}_small")
            for name in VARIANTS
            if name not in ("small", "sense")
        ),
        ("multicoil", "sense"),
        ("brain", "small"),
        ("brain", "complex"),
        ("brain", "complex_small"),
        ("brain", "table2"),
        ("demo", "tiny"),
        ("demo", "head"),
        ("demo", "multicoil"),
        *(("multicoil", name) for name in (None, "small", "simulated", "same_minutes")),
        ("multicoil", "same_minutes_small"),
        *((name, "small") for name in ("fastmri_knee", "fastmri_brain", "calgary")),
        ("cmrxrecon", None),
    ],
)
def test_every_variant_becomes_the_networks_and_searches_that_it_names(
    name, variant, tmp_path
):
    config = get_config(name, variant)
    experiment = Experiment(config, tmp_path / "run")
    assert experiment.networks.keys() == set(config.networks)
    for own, found in experiment.networks.items():
        given = config.networks[own].to_dict()
        assert found.kind == given.pop("kind")
        changes = {key: given.pop(key, {}) for key in ("retrain", "search")}
        assert found.settings == given
        trained = dataclasses.asdict(found.training)
        assert trained == config.retrain.to_dict() | changes["retrain"]
        searched = [s for s in experiment.searches if own in s.networks]
        assert len(searched) == (given.get("architecture") in ("ensemble", "fold"))
        for search in searched:
            settings = dataclasses.asdict(search.settings)
            assert settings == config.search.to_dict() | changes["search"]
    assert not (tmp_path / "run").exists()


def test_a_network_of_ones_own_needs_one_line(monkeypatch, tmp_path):
    def plain(width: int = 4, consistency: str = "two_step"):
        return partial(dccnn, layers=1)(width=width, consistency=consistency)

    monkeypatch.setitem(NETWORKS, "plain", plain)
    experiment = Experiment(get_config("cardiac", "plain"), tmp_path / "run")
    settings = {"width": 4, "consistency": "two_step"}
    assert experiment.networks["plain"].settings == settings
    assert not experiment.searches


def test_reduced_networks_of_matched_size_have_the_size_of_the_searched_one():
    own = get_config("cardiac", "table2_small").networks.to_dict()
    counts = {}
    for name in ("emrnas", "dccnn_matched", "rdn_matched", "cddntdc_matched"):
        settings = {
            k: v for k, v in own[name].items() if k not in ("kind", "retrain", "search")
        }
        if name == "emrnas":
            settings["architecture"] = "[O5 O8 O8|O8 O8 O8|O4 O1 O2]"
        network = build_network(own[name]["kind"], settings)
        shapes = jax.eval_shape(
            lambda network=network: initial_variables(network, jax.random.key(0))
        )
        counts[name] = parameter_count(shapes["params"])
    for name, count in counts.items():
        assert count == pytest.approx(counts["emrnas"], rel=0.1), name


def test_a_variant_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(InputError, match=r"no variant 'huge'; there are .*small"):
        get_config("cardiac", "huge")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("search.paths_per_cell", 3, r"search\.paths_per_cell: found 3"),
        ("search.gate_rule", "largest", r"search\.gate_rule: found 'largest'"),
        ("search.warmup_epochs", -1, r"search\.warmup_epochs"),
        ("search.batch", 0, "search"),
        ("retrain.epochs", 0, "retrain"),
        ("sampling.rate", 1.5, r"sampling\.rate"),
        ("sampling.kind", "spiral", r"sampling\.kind"),
        ("data.images", "phase", r"data\.images"),
        ("data.images", "complex", "consistency=single"),
        ("networks.emrnas.consistency", "double", "two_step"),
        ("folds.count", 1, r"folds\.count"),
        ("data.target", "rss", r"data\.target: rss is of several coils"),
        ("evaluation.batch", 0, r"evaluation\.batch"),
        ("evaluation.crop", 5, r"evaluation\.crop: found 5"),
        ("report.zoom", "left", r"report\.zoom: found 'left'"),
        ("loop.steps_per_dispatch", 0, r"loop\.steps_per_dispatch"),
        ("loop.checkpoint_seconds", -1.0, r"loop\.checkpoint_seconds"),
        ("seed", -1, "seed: found -1"),
        ("search.learning_rate", float("nan"), r"search\.learning_rate: found nan"),
        ("retrain.momentum", 1.0, r"retrain\.momentum: found 1"),
        ("networks.emrnas.shared", "cells", "none, block, network"),
        ("networks.emrnas.width", 0, r"networks\.emrnas\.width"),
        ("networks.emrnas.architecture", "[O9]", "O9"),
        ("networks.emrnas.architecture", "[O1 O2|O3 O4]", "blocks"),
    ],
)
def test_a_setting_that_cannot_work_is_named(key, value, message, tmp_path):
    config = get_config("demo", "tiny")
    with config.unlocked():
        config.update_from_flattened_dict({key: value})
    with pytest.raises(InputError, match=message):
        Experiment(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_learned_coil_maps_are_refused_for_complex_images(tmp_path):
    config = get_config("demo", "varnet")
    config.data.images = "complex"
    Experiment(config, tmp_path / "given_maps")
    config.networks.varnet.learned_maps = True
    with pytest.raises(InputError, match=r"varnet\.learned_maps=True.*complex"):
        Experiment(config, tmp_path / "run")
    config.data.simulated_coils = 4
    with pytest.raises(InputError, match=r"varnet\.learned_maps=True.*target=rss"):
        Experiment(config, tmp_path / "run")
    config.data.target = "rss"
    Experiment(config, tmp_path / "run")


def keys_and_values(config, place=""):
    """All settings of a config with their whole keys, sections and values alike."""
    for name, value in config.items():
        yield place + name, value
        if isinstance(value, ConfigDict):
            yield from keys_and_values(value, f"{place}{name}.")


WRONG = [None, ["O1", "O8"], "text", 1.5, True, 7, Path("x"), {"a": 1}]


def may_hold(right, wrong):
    """Whether a value has the type of another, as far as a config tells types apart."""
    kinds = {int: float, dict: ConfigDict}
    return type(right) in (type(wrong), kinds.get(type(wrong)))


@pytest.mark.parametrize("name", ["demo", "cardiac"])
def test_any_value_of_the_wrong_type_is_told_with_its_key(name, tmp_path):
    config = get_config(name, None if name == "demo" else "rdn")
    config.data.path = "phantom"
    config.data.phantom = ConfigDict(dataclasses.asdict(PhantomSettings(size=16)))
    for key, right in keys_and_values(config):
        for wrong in (value for value in WRONG if not may_hold(right, value)):
            inside = settings = config.to_dict()
            *sections, last = key.split(".")
            for section in sections:
                inside = inside[section]
            inside[last] = wrong
            with pytest.raises(InputError) as raised:
                open_dataset(
                    Experiment(ConfigDict(settings), tmp_path / "run").sections.data
                )
            message = str(raised.value)
            assert message.startswith(f"{key}: expected "), (key, wrong)
            assert repr(wrong) in message
            assert len(message.splitlines()) == 1


def test_an_unknown_key_of_a_section_is_refused(tmp_path):
    config = get_config("demo", "tiny")
    with config.unlocked():
        config.search.epochs = 3
    with pytest.raises(InputError, match="epochs"):
        Experiment(config, tmp_path / "run")


@pytest.mark.parametrize("missing", ["search", "seed", "networks"])
def test_a_missing_section_is_refused(missing, tmp_path):
    config = get_config("demo", "tiny")
    with config.unlocked():
        del config[missing]
    with pytest.raises(InputError, match=missing):
        Experiment(config, tmp_path / "run")


def test_a_stage_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(InputError, match="no stage 'train'"):
        run_protocol(get_config("demo", "tiny"), tmp_path / "run", "train")


def test_retraining_before_the_search_says_what_is_missing(tmp_path):
    config = get_config("demo", "tiny")
    config.data.cache = str(tmp_path / "cache")
    with pytest.raises(InputError, match="nothing was searched yet"):
        run_protocol(config, tmp_path / "run", "retrain")


def test_fewer_subjects_than_folds_are_refused(tmp_path):
    config = get_config("demo", "tiny")
    config.data.cache = str(tmp_path / "cache")
    config.data.phantom.subjects = 2
    with pytest.raises(InputError, match="subjects"):
        run_protocol(config, tmp_path / "run", "search")
    assert not (tmp_path / "run" / "config.json").exists()


def test_a_batch_larger_than_the_split_is_refused(tmp_path):
    config = get_config("demo", "tiny")
    config.data.cache = str(tmp_path / "cache")
    config.search.batch = 64
    with pytest.raises(InputError, match=r"search\.batch: a batch of 64"):
        run_protocol(config, tmp_path / "run", "search")
    assert not (tmp_path / "run").exists()


def test_images_smaller_than_the_window_of_ssim_are_refused(tmp_path):
    config = get_config("demo", "tiny")
    config.data.cache = str(tmp_path / "cache")
    config.data.downsample = 4
    with pytest.raises(InputError, match="window of SSIM"):
        run_protocol(config, tmp_path / "run", "search")
    assert not (tmp_path / "run").exists()


def test_folds_side_by_side_on_too_few_devices_are_refused(tmp_path):
    config = get_config("demo", "tiny")
    config.data.cache = str(tmp_path / "cache")
    config.folds.count = 5
    config.search.folds_in_parallel = True
    with pytest.raises(InputError, match=r"folds_in_parallel needs a device for each"):
        run_protocol(config, tmp_path / "run", "search")
    assert not (tmp_path / "run").exists()


def test_a_folder_in_use_is_refused(tmp_path):
    config = get_config("demo", "tiny")
    config.data.cache = str(tmp_path / "cache")
    with (
        locked(RunFolder(tmp_path / "run")),
        pytest.raises(InputError, match="another process works"),
    ):
        run_protocol(config, tmp_path / "run", "search")


def test_cells_that_share_a_choice_must_be_alike(tmp_path):
    config = get_config("demo", "tiny")
    config.networks.emrnas.update(components=2, shared="block")
    config.networks.emrnas.architecture = "[O1 O2|O1 O3]"
    with pytest.raises(InputError, match="all blocks are alike"):
        Experiment(config, tmp_path / "run")
    config.networks.emrnas.architecture = "[O1 O2|O1 O2]"
    Experiment(config, tmp_path / "run")


def test_a_search_keeps_its_place_when_the_network_before_it_is_given_up(tmp_path):
    config = get_config("demo", "tiny")
    (tmp_path / "config.json").write_text(config.to_json())  # begun, never tested
    paper.use(config, ["ablation_b"])
    experiment = Experiment(config, tmp_path)
    assert list(experiment.networks) == ["ablation_b"]
    # `search` holds what was searched for emrnas.
    assert [search.folder_name for search in experiment.searches] == [
        "search_ablation_b"
    ]


def test_a_run_of_other_operations_has_a_path_for_each_of_its_own(tmp_path):
    """It was searched with all nine, which here mean all eight."""
    config = get_config("demo", "tiny")
    paper.use(config, ["darts"])
    begun = config.copy_and_resolve_references()
    begun.networks.darts.search.paths_per_cell = 9
    (tmp_path / "config.json").write_text(begun.to_json())
    (tmp_path / "folds.json").write_text("{}")
    nine = (*TABLE_1, Operation("O9", (1, 2, 1, 1), (1,)))
    write_json(tmp_path / "operations.json", nine)
    assert config.networks.darts.search.paths_per_cell == 8
    experiment = Experiment(config, tmp_path)
    assert experiment.operations == nine
    assert [search.settings.paths_per_cell for search in experiment.searches] == [9]
    config.search.paths_per_cell = 7
    with pytest.raises(InputError, match=r"choose one of 1, 2, 9"):
        Experiment(config, tmp_path)


def test_a_damaged_config_of_a_run_is_named(tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json: damaged"):
        Experiment(get_config("demo", "tiny"), tmp_path)
