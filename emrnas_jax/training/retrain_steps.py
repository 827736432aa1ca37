"""The training step of a fixed network, and the program that runs several of them.

A step is a pure function of its state and a batch.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, PyTree

from emrnas_jax.data.pipeline import (
    Batch,
    Chunk,
    RandomKey,
    Resident,
    frame_specs,
)
from emrnas_jax.data.targets import TargetKind
from emrnas_jax.data.varied_batches import varied_batch
from emrnas_jax.machine.devices import (
    SHARED,
    mean_over_devices,
    mesh_for,
    on_every_device,
)
from emrnas_jax.models.layers import EARLIER_IMAGES
from emrnas_jax.models.networks import blank_inputs
from emrnas_jax.mri.consistency import magnitude
from emrnas_jax.mri.fourier import to_complex
from emrnas_jax.mri.sampling import Sampling
from emrnas_jax.training.loss import LOSSES, jit, loss_against_target
from emrnas_jax.training.optimizers import (
    OPTIMIZERS,
    descend,
    moving_average,
    warmed_cosine,
)
from emrnas_jax.training.retrain_settings import RetrainSettings

PAPER_SETTINGS = RetrainSettings()


class Averaged(NamedTuple):
    """The state of an optimizer, with the average of the weights that it has moved.

    Attributes:
        optimizer: the optimizer's own state.
        average: exponential moving average of the weights.
    """

    optimizer: PyTree
    average: PyTree


class TrainState(NamedTuple):
    """Everything the training of a fixed network changes.

    Attributes:
        weights: parameters.
        statistics: running statistics of batch norm; empty for networks without.
        optimizer: the optimizer's state; `Averaged` where weights are averaged.
        step: steps done.
        train_loss: sum over this epoch's steps.
        train_psnr_db: sum over this epoch's steps of the batch's mean PSNR.
    """

    weights: PyTree
    statistics: PyTree
    optimizer: PyTree
    step: Int[Array, ""]
    train_loss: Float[Array, ""]
    train_psnr_db: Float[Array, ""]

    @property
    def variables(self) -> dict[str, PyTree]:
        """The variables of the trained network: the average if there is one."""
        kept = self.optimizer
        weights = kept.average if isinstance(kept, Averaged) else self.weights
        return {"params": weights, "batch_stats": self.statistics}


Program = Callable[..., TrainState]


def train_step(
    network: nn.Module,
    optimizer: optax.GradientTransformation,
    state: TrainState,
    batch: Batch,
    rate: Float[Array, ""],
    settings: RetrainSettings = PAPER_SETTINGS,
) -> TrainState:
    """Move the weights of a fixed network by one batch.

    Args:
        network: the network.
        optimizer: optimizer that gives a direction, without a learning rate.
        state: state before the step.
        batch: frames of this device.
        rate: learning rate.
        settings: loss and average; those of the paper unless given.
    """
    loss_function = LOSSES[settings.loss]
    wanted = [EARLIER_IMAGES] if settings.deep_supervision else []

    def loss_of(weights: PyTree) -> tuple[Float[Array, ""], tuple[Array, PyTree]]:
        image, changed = network.apply(
            {"params": weights, "batch_stats": state.statistics},
            batch.zero_filled,
            batch.measurement,
            train=True,
            mutable=["batch_stats", *wanted],
        )
        statistics = changed.get("batch_stats", state.statistics)
        loss = loss_against_target(image, batch, loss_function)
        earlier = jax.tree.leaves(changed.get(EARLIER_IMAGES, {}))
        if earlier:
            others = [loss_against_target(own, batch, loss_function) for own in earlier]
            loss += settings.deep_supervision * sum(others) / len(others)
        return loss, (image, statistics)

    gradient_of = jax.value_and_grad(loss_of, has_aux=True)
    # Batch norm averages its statistics over the devices itself.
    (loss, (image, statistics)), gradients = gradient_of(state.weights)
    psnr = _mean_psnr_db(image, batch.target)
    loss, gradients, psnr = mean_over_devices((loss, gradients, psnr))
    kept = state.optimizer
    own = kept.optimizer if settings.average else kept
    direction, own = optimizer.update(gradients, own, state.weights)
    weights = descend(state.weights, direction, rate)
    if settings.average:
        decay, average = settings.average, kept.average
        own = Averaged(own, moving_average(average, weights, decay, state.step))
    return TrainState(
        weights,
        statistics,
        own,
        state.step + 1,
        state.train_loss + loss,
        state.train_psnr_db + psnr,
    )


def _mean_psnr_db(
    image: Float[Array, "batch height width 2"],
    target: Float[Array, "batch height width 2"],
) -> Float[Array, ""]:
    """PSNR of the magnitudes, data range 1; only for the curve of a training."""
    error = magnitude(to_complex(image)) - magnitude(to_complex(target))
    mse = jnp.mean(error**2, (1, 2))
    # The floor keeps a frame without content, whose error is 0, from being infinite.
    return jnp.mean(-10 * jnp.log10(jnp.maximum(mse, 1e-12)))


@partial(jax.jit, static_argnums=0)
def initial_variables(network: nn.Module, key: RandomKey) -> dict:
    """Return fresh variables of a network."""
    return dict(network.init(key, *blank_inputs()))


def initial_state(
    network: nn.Module, settings: RetrainSettings, key: RandomKey
) -> TrainState:
    """Return fresh weights and a fresh optimizer."""
    variables = initial_variables(network, key)
    weights = variables["params"]
    optimizer = optimizer_of(settings).init(weights)
    if settings.average:
        # A copy: a program may not be given the same memory twice.
        optimizer = Averaged(optimizer, jax.tree.map(jnp.copy, weights))
    return TrainState(
        weights=weights,
        statistics=variables.get("batch_stats", {}),
        optimizer=optimizer,
        # The types that a step returns: a weak type would compile it twice.
        step=jnp.zeros((), jnp.int32),
        train_loss=jnp.zeros(()),
        train_psnr_db=jnp.zeros(()),
    )


def optimizer_of(settings: RetrainSettings) -> optax.GradientTransformation:
    """Return the optimizer of a training, without a learning rate."""
    make = OPTIMIZERS[settings.optimizer]
    optimizer = make(settings.weight_decay, settings.momentum, beta2=settings.beta2)
    if not settings.clip_norm:
        return optimizer
    return optax.chain(optax.clip_by_global_norm(settings.clip_norm), optimizer)


def training_program(
    network: nn.Module,
    settings: RetrainSettings,
    sampling: Sampling,
    seed: int,
    mesh: Mesh | None = None,
    target_kind: TargetKind = TargetKind.COMBINED,
) -> Program:
    """Return the program of a training, compiled at its first call.

    It takes (state, frames, steps of the whole training, count), runs `count` steps,
    and gives up the state that it takes.

    Args:
        network: the network that is trained.
        settings: settings of the training.
        sampling: pattern from which masks are drawn.
        seed: the run's seed, which decides the masks.
        mesh: devices that share each batch; as many as divide it unless given.
        target_kind: kind of target, as in `make_batch`.
    """
    mesh = mesh_for(settings.batch) if mesh is None else mesh
    optimizer = optimizer_of(settings)
    drawn = settings.batch, settings.augmentation, sampling, seed, target_kind

    def steps(
        state: TrainState,
        frames: Resident | Chunk,
        total: Int[Array, ""],
        count: Int[Array, ""],
    ) -> TrainState:
        def body(_: Int[Array, ""], state: TrainState) -> TrainState:
            step = state.step
            batch = varied_batch(frames, step, *drawn)
            # The rate falls from step to step, not only from epoch to epoch.
            rate = warmed_cosine(settings.learning_rate, step / total, settings.warmup)
            return train_step(network, optimizer, state, batch, rate, settings)

        return jax.lax.fori_loop(0, count, body, state)

    # Donated: the new state takes the memory of the old one.
    @partial(jit, donate_argnums=0)
    def program(
        state: TrainState,
        frames: Resident | Chunk,
        *numbers: Int[Array, ""],
    ) -> TrainState:
        specs = (SHARED, frame_specs(frames), *[SHARED] * len(numbers))
        run = on_every_device(steps, mesh, specs, SHARED)
        return run(state, frames, *numbers)

    return program
