"""What a search says of its state: p, and the row of the log for an epoch."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from emrnas_jax.models.emrnas import SearchNetwork
from emrnas_jax.nas.gates import entropy
from emrnas_jax.training.optimizers import cosine
from emrnas_jax.training.settings import SearchSettings
from emrnas_jax.training.steps import SearchState


def probabilities(
    network: SearchNetwork, state: SearchState
) -> Float[np.ndarray, "cell op"]:
    """Return p of every cell."""
    return np.asarray(jax.nn.softmax(np.asarray(state.alphas)))[network.choosing_rows]


def log_row(
    network: SearchNetwork,
    state: SearchState,
    epoch: int,
    settings: SearchSettings,
    steps_per_epoch: int,
) -> dict:
    """Return what the log says of a finished epoch."""
    searching = epoch > settings.warmup_epochs
    done = epoch - settings.warmup_epochs if searching else epoch
    phase = settings.search_epochs if searching else settings.warmup_epochs
    fraction = (done * steps_per_epoch - 1) / (phase * steps_per_epoch)
    row = {
        "epoch": epoch,
        "phase": "search" if searching else "warm-up",
        "train_loss": float(state.train_loss) / steps_per_epoch,
        "learning_rate": float(cosine(settings.learning_rate, jnp.array(fraction))),
    }
    if searching:
        row["path_counts"] = np.asarray(state.path_counts).tolist()
    if searching and settings.gate_rule != "uniform":
        row |= {
            "validation_loss": float(state.validation_loss) / steps_per_epoch,
            "entropy": float(entropy(jnp.asarray(np.asarray(state.alphas))).mean()),
            "probabilities": probabilities(network, state).tolist(),
        }
    return row
