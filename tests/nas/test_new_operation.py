"""A candidate operation more is one line of the table, and nothing else."""

import subprocess
import sys

import pytest

PROGRAM = """
from emrnas_jax.nas import space

space.OPERATIONS += (space.Operation("O9", (1, 2, 1, 1), (1,)),)

import jax, jax.numpy as jnp, numpy as np
from emrnas_jax.data.pipeline import Batch
from emrnas_jax.models.emrnas import SearchNetwork, active_weights, emrnas
from emrnas_jax.nas.gates import GATES, fixed_gates, uniform_choices
from emrnas_jax.reporting.colours import operation_colour
from emrnas_jax.training.optimizers import adam_with_l2
from emrnas_jax.training.search_optimizers import search_weight_optimizer
from emrnas_jax.models.networks import blank_inputs
from emrnas_jax.training.loss import jit
from emrnas_jax.training.search_state import initial_state
from emrnas_jax.training.search_steps import architecture_step, weight_step
from emrnas_jax.training.search_settings import SearchSettings

nine = space.Architecture.parse("[O9]")
assert nine.cells == (8,) and str(nine) == "[O9]"
assert list(GATES) == [1, 2, 9]

network = SearchNetwork(components=1, cells_per_block=1, width=4)
settings = SearchSettings(paths_per_cell=9)
state = initial_state(network, settings, jax.random.key(0))
assert state.alphas.shape == (1, 9)
draws = jax.vmap(lambda k: uniform_choices(k, state.alphas))(
    jax.random.split(jax.random.key(1), 200)
)
assert set(np.ravel(draws)) == set(range(9))

image = jax.random.uniform(jax.random.key(2), (1, 8, 8, 2))
batch = Batch(*blank_inputs(8, 8), image**2)._replace(zero_filled=image)
inputs = batch.zero_filled, batch.measurement
choices = jnp.array([8])
fixed = emrnas("[O9]", components=1, cells_per_block=1, width=4)
gates = fixed_gates(choices)
own = jax.jit(network.apply)({"params": state.weights}, *inputs, gates)
copied = {"params": active_weights(state.weights, nine)}
np.testing.assert_allclose(jax.jit(fixed.apply)(copied, *inputs), own, atol=1e-5)

@jit
def step(state):
    weights, alphas = search_weight_optimizer(0.0, 0.9), adam_with_l2(0.0, 0.9)
    state = weight_step(network, weights, state, batch, choices, jnp.float32(0.1))
    key = jax.random.key(3)
    return architecture_step(network, alphas, state, batch, key, 0.1, 9, "sample")

after = step(state)
assert np.array_equal(after.path_counts, [[0] * 8 + [1]])
assert np.all(after.alphas != 0)
rows = [s.weights["components"]["block"]["cells"]["cell"]["operations"]
        for s in (state, after)]
moved = np.any(rows[0] != rows[1], axis=-1)
assert np.array_equal(moved[0, 0], [False] * 8 + [True])
assert len({operation_colour(i) for i in range(9)}) == 9
"""


@pytest.mark.slow
def test_a_ninth_operation_is_searched_and_trained():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
