"""The small files of a network: length of the training, tried weights and cost."""

import json

import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.machine.json_files import write_json
from emrnas_jax.runs.network_files import (
    Cost,
    Fit,
    Plan,
    TriedWeight,
    read_cost,
    read_plan,
    read_tried_weights,
    write_cost,
    write_fit,
)

COST = Cost(parameters=324_186, seconds_per_frame=0.05, device="CPU")
FIT = Fit(
    strength=0.01,
    psnr_db=(TriedWeight(0.1, 24.5), TriedWeight(0.01, 25.5)),
    frames=4,
    subjects=("a", "b"),
    metrics="paper",
)


def test_the_plan_of_a_training_comes_back(tmp_path):
    path = tmp_path / "training.json"
    plan = Plan(1200, {"loss": "log_mse", "average": 0.999}, 0.25)
    write_json(path, plan)
    assert read_plan(path) == plan


def test_a_plan_of_an_older_version_has_the_steps_alone(tmp_path):
    path = tmp_path / "training.json"
    path.write_text('{"steps": 1200}')
    assert read_plan(path) == Plan(1200)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"steps": "many"}', '{"steps": -1}'])
def test_a_training_of_unknown_length_is_none(tmp_path, text):
    path = tmp_path / "training.json"
    assert read_plan(path) is None
    path.write_text(text)
    assert read_plan(path) is None


def test_tried_weights_come_back_in_their_order(tmp_path):
    path = tmp_path / "strength.json"
    assert read_tried_weights(path) == {}
    write_fit(path, FIT)
    assert list(read_tried_weights(path).items()) == [(0.1, 24.5), (0.01, 25.5)]


@pytest.mark.parametrize(
    "change", [{"psnr_db": 3}, {"psnr_db": [{"strength": -1.0, "mean": 2.0}]}]
)
def test_a_damaged_file_of_weights_says_how_to_go_on(tmp_path, change):
    path = tmp_path / "strength.json"
    write_fit(path, FIT)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=r"strength\.json: damaged .*delete it"):
        read_tried_weights(path)


def test_a_cost_comes_back(tmp_path):
    path = tmp_path / "cost.json"
    write_cost(path, COST)
    assert read_cost(path) == COST


def test_work_that_was_not_measured_is_not_written(tmp_path):
    path = tmp_path / "cost.json"
    write_cost(path, COST)
    assert set(json.loads(path.read_text())) == {
        "parameters",
        "seconds_per_frame",
        "device",
    }


@pytest.mark.parametrize(
    "change",
    [{"parameters": None}, {"seconds_per_frame": -1}, {"gflops_ceiling": "fast"}],
)
def test_a_damaged_cost_is_named(tmp_path, change):
    path = tmp_path / "cost.json"
    write_cost(path, COST)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    (name,) = change
    with pytest.raises(InputError, match=rf"cost\.json: damaged \({name}.*evaluate"):
        read_cost(path)
