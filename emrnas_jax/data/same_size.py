"""Frames of one size, served to compiled steps in whole batches.

Their steps are counted on their own, epoch by epoch. They stay on the device, or are
read ahead by Grain and handed over a few steps at a time; both give the same batches.
"""

from collections.abc import Iterator
from functools import lru_cache

import grain
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jaxtyping import Int

from emrnas_jax.data.image_set import ImageSet
from emrnas_jax.data.pipeline import (
    OF_STEPS,
    Chunk,
    Numbering,
    RandomKey,
    Resident,
    epoch_order,
)
from emrnas_jax.machine import devices

MOST_STEPS = 2**40  # of a training; a stream of frames has no end of its own
READERS = 16  # threads of a stream


class SameSize:
    """Frames of one size, whose steps are counted on their own.

    Attributes:
        steps_per_epoch: whole batches; the rest of an epoch's order is left out.
    """

    def __init__(
        self,
        image_set: ImageSet,
        indices: Int[np.ndarray, " frame"],
        batch: int,
        order_key: RandomKey,
        steps_per_call: int,
        read_ahead: int,
        is_resident: bool,
        mesh: Mesh,
    ) -> None:
        """Load the frames, or prepare to stream them.

        Args:
            image_set: images of the experiment.
            indices: frames of one size, at least a batch of them.
            batch: frames per step.
            order_key: decides the order within each epoch.
            steps_per_call: the most steps that one call of `frames` asks for.
            read_ahead: number of steps that are read before they are asked for.
            is_resident: whether the frames are kept on the devices.
            mesh: devices that share each batch.
        """
        self.steps_per_epoch = len(indices) // batch
        self._batch, self._mesh = batch, mesh
        self._image_set, self._indices = image_set, indices
        self._ids = image_set.frame_ids[indices]
        self._order_key = order_key
        self._steps_per_call, self._read_ahead = steps_per_call, read_ahead
        # Of the epoch that is used, and of the next, that is read already.
        self._order = lru_cache(maxsize=2)(self._draw_order)
        self._reader: Iterator[np.ndarray] | None = None
        self._next_step = -1
        self._resident = None
        if is_resident:
            images = devices.replicate(image_set.images(indices), mesh)
            ids = devices.replicate(self._ids, mesh)
            self._resident = Resident(images, ids, order_key, self._numbering(0))

    def frames(self, first_step: int, count: int, ahead: int) -> Resident | Chunk:
        """Return `count` steps from `first_step` on, as `frames_of_step` needs them.

        Args:
            first_step: first step, in the count of these frames.
            count: number of steps.
            ahead: what the training's step has more.
        """
        if self._resident is not None:
            return self._resident._replace(numbering=self._numbering(ahead))
        if self._reader is None or self._next_step != first_step:
            self._reader = self._read_from(first_step)
        images = np.stack([next(self._reader) for _ in range(count)])
        self._next_step = first_step + count
        steps = range(first_step, self._next_step)
        ids = np.stack([self._ids[self._step_order(step)] for step in steps])
        # One shape, so one compiled program, however many steps are asked for.
        if missing := self._steps_per_call - count:  # a copy of all
            images = np.pad(images, [(0, missing)] + [(0, 0)] * (images.ndim - 1))
            ids = np.pad(ids, [(0, missing), (0, 0)])
        sharding = NamedSharding(self._mesh, OF_STEPS)
        images, ids = devices.put((images, ids), sharding)
        return Chunk(images, ids, jnp.asarray(first_step), self._numbering(ahead))

    def _numbering(self, ahead: int) -> Numbering:
        return Numbering(jnp.array(ahead), jnp.array(self.steps_per_epoch))

    def _step_order(self, step: int) -> Int[np.ndarray, " frame"]:
        """Return which frames this process reads for a step."""
        epoch, position = divmod(step, self.steps_per_epoch)
        batches = self._order(epoch)[: self.steps_per_epoch * self._batch]
        own = devices.rows_of_process(self._mesh, self._batch)
        return batches.reshape(-1, self._batch)[position, own]

    def _draw_order(self, epoch: int) -> Int[np.ndarray, " frame"]:
        return np.asarray(epoch_order(self._order_key, epoch, len(self._indices)))

    def _read_from(self, step: int) -> Iterator[np.ndarray]:
        """Yield the images of each step from `step` on, read ahead by threads.

        They read on over the end of an epoch, and are `read_ahead` steps ahead at most.
        """
        ahead = self._read_ahead
        batches = grain.MapDataset.range(step, MOST_STEPS).map(self._read_step)
        options = grain.ReadOptions(min(ahead, READERS), prefetch_buffer_size=ahead)
        return iter(batches.to_iter_dataset(options))

    def _read_step(self, step: int) -> np.ndarray:
        return self._image_set.images(self._indices[self._step_order(step)])
