import json

import jax
import jax.numpy as jnp
import pytest

from emrnas_jax.evaluation.benchmark import COMMANDS, forward_work, main, parse
from emrnas_jax.models.emrnas import fixed_network
from emrnas_jax.nas.space import PRESETS

KEYS = {"step_ms", "compile_s", "temporary_mib", "frames_per_second", "parameters"}
SEARCH_KEYS = {"fixed_step_ms", "fixed_temporary_mib", "time_ratio", "memory_ratio"}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_every_benchmark_prints_one_json_object(command, capsys):
    small = ["--size=16", "--batch=1", "--width=4", "--repeats=1"]
    main([command, *small, "--architecture=[O5 O8]", "--json"])
    row = json.loads(capsys.readouterr().out)
    assert row.keys() >= KEYS | (SEARCH_KEYS if command == "search-step" else set())
    assert all(row[key] > 0 for key in KEYS)


def test_a_frame_of_the_cardiac_network_costs_43_gflop():
    """The figure of the design, from the layers by hand."""
    network = fixed_network(PRESETS["cardiac"])
    image = jnp.zeros((1, 8, 8, 2))
    kspace, mask = jnp.zeros((1, 8, 8), jnp.complex64), jnp.zeros((1, 8, 1), bool)
    params = jax.eval_shape(network.init, jax.random.key(0), image, kspace, mask)
    operations, traffic = forward_work(params["params"], 256 * 256)
    assert operations == pytest.approx(42.3e9, rel=0.01)
    assert traffic == pytest.approx(0.8e9, rel=0.2)


@pytest.mark.parametrize("wrong", [["fly"], ["train-step", "--size=0"], []])
def test_a_wrong_benchmark_command_is_refused(wrong):
    with pytest.raises(SystemExit):
        parse(wrong)
