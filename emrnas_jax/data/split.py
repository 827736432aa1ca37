"""The frames of some subjects, served to compiled steps in batches of one size.

A batch is never mixed, and every size has a compiled program of its own, so one call of
a program has steps of one size. Which steps have which size is drawn for each epoch;
the frames of each size are counted on their own (`SameSize`).
"""

import zlib
from functools import lru_cache

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Int

from emrnas_jax.data.image_set import ImageSet
from emrnas_jax.data.pipeline import Chunk, RandomKey, Resident
from emrnas_jax.data.same_size import SameSize
from emrnas_jax.errors import InputError
from emrnas_jax.machine import devices

Shape = tuple[int, int]


class Split:
    """The frames of some subjects, of one size or of several.

    Attributes:
        batch: frames per step.
        steps_per_epoch: whole batches of every size; the rest of an epoch's order is
            left out.
        left_out: number of frames of each size that has fewer than a batch. They are
            never served.
        of_size: the frames of each size that batches have, by height and width. The
            most frequent size of the image set comes first.
        mesh: devices that share each batch.
    """

    def __init__(
        self,
        image_set: ImageSet,
        indices: Int[np.ndarray, " frame"],
        batch: int,
        order_key: RandomKey,
        steps_per_call: int,
        device_mib: float,
        mesh: Mesh | None = None,
    ) -> None:
        """Load the frames, or prepare to stream them.

        Args:
            image_set: images of the experiment.
            indices: frames of the split.
            batch: frames per step.
            order_key: decides the order within each epoch.
            steps_per_call: the most steps that one call of `frames` asks for.
            device_mib: a split larger than this many MiB is streamed.
            mesh: devices; as many as divide a batch unless given.

        Raises:
            InputError: no size has as many frames as a batch.
        """
        by_shape = image_set.of_each_shape(indices)
        served = {s: indices[own] for s, own in by_shape.items() if len(own) >= batch}
        if not served:
            several = f" in {len(by_shape)} sizes" if len(by_shape) > 1 else ""
            raise InputError(
                f"{image_set.name}: a batch of {batch} frames was asked of a split of "
                f"{len(indices)}{several}; lower the batch or use more subjects"
            )
        self.batch = batch
        self.mesh = devices.mesh_for(batch) if mesh is None else mesh
        self.left_out = {
            shape: len(own) for shape, own in by_shape.items() if len(own) < batch
        }
        # One image gives the size of all that have its shape, for they have its type.
        nbytes = sum(
            image_set.images(own[:1]).nbytes * len(own) for own in served.values()
        )
        self._is_resident = nbytes <= device_mib * 2**20
        self._order_key = order_key
        # Two calls of one size; of several, as many steps in all.
        read_ahead = max(1, 2 * steps_per_call // len(served))
        self.of_size = {
            shape: SameSize(
                image_set,
                own,
                batch,
                self._order_key_of(shape, len(served)),
                steps_per_call if len(served) == 1 else 1,  # as `at_once` says
                read_ahead,
                self._is_resident,
                self.mesh,
            )
            for shape, own in served.items()
        }
        self._shapes = lru_cache(maxsize=2)(self._draw_shapes)
        self.steps_per_epoch = sum(p.steps_per_epoch for p in self.of_size.values())

    def frames(self, first_step: int, count: int) -> Resident | Chunk:
        """Return `count` steps from `first_step` on, as `frames_of_step` needs them.

        They must have one size: `at_once` says how many have.
        """
        shape = self.shape_of(first_step)
        own = self.steps_before(first_step)[shape]
        return self.of_size[shape].frames(own, count, first_step - own)

    def frames_beside(
        self, other: "Split", begin: int, first_step: int, count: int
    ) -> Resident | Chunk:
        """Return frames for `count` steps beside those of another split, size by size.

        They have the other's size where this split has a batch of it, else its first.
        So there are no more programs than the other has sizes.

        Args:
            other: split whose frames the steps see too.
            begin: step with which these frames begin, an epoch's first of the other.
            first_step: first step, in the count of the other.
            count: number of steps, of one size in the other.
        """
        shape = self._nearest(other.shape_of(first_step))
        now, then = other.steps_before(first_step), other.steps_before(begin)
        # All steps before this one whose frames were of the same size here.
        own = sum(now[s] - then[s] for s in other.of_size if self._nearest(s) == shape)
        return self.of_size[shape].frames(own, count, first_step - own)

    def at_once(self, step: int, most: int) -> int:
        """Return how many steps from `step` on have one size, `most` at the most.

        Of several sizes, no more than are left of the epoch.
        """
        most = self._at_most(most)
        if len(self.of_size) == 1:
            return most
        epoch, position = divmod(step, self.steps_per_epoch)
        following = self._shapes(epoch)[position : position + most]
        others = np.flatnonzero(following != following[0])
        return int(others[0]) if len(others) else len(following)

    def at_once_beside(self, other: "Split", step: int, most: int) -> int:
        """Return how many steps a call may have that takes `frames_beside` another.

        Args:
            other: split whose frames the steps see too.
            step: first step, in the count of the other.
            most: the most steps that are wanted.
        """
        return other.at_once(step, self._at_most(most))

    def shape_of(self, step: int) -> Shape:
        """Return the height and width of a step's frames."""
        epoch, position = divmod(step, self.steps_per_epoch)
        return tuple(self.of_size)[self._shapes(epoch)[position]]

    def steps_before(self, step: int) -> dict[Shape, int]:
        """Return how many steps of each size there are before a step."""
        epoch, position = divmod(step, self.steps_per_epoch)
        done = np.bincount(self._shapes(epoch)[:position], minlength=len(self.of_size))
        return {
            shape: epoch * part.steps_per_epoch + int(of_epoch)
            for (shape, part), of_epoch in zip(self.of_size.items(), done, strict=True)
        }

    def _at_most(self, most: int) -> int:
        # Steps of several sizes follow each other in no order, so a stream is asked for
        # one at a time: a longer chunk would be padding for the most part.
        return most if len(self.of_size) == 1 or self._is_resident else 1

    def _nearest(self, shape: Shape) -> Shape:
        return shape if shape in self.of_size else next(iter(self.of_size))

    def _order_key_of(self, shape: Shape, sizes: int) -> RandomKey:
        # One size has the key itself, as it had before there were several.
        if sizes == 1:
            return self._order_key
        name = f"{shape[0]} x {shape[1]}"
        return jax.random.fold_in(self._order_key, zlib.crc32(name.encode()))

    def _draw_shapes(self, epoch: int) -> Int[np.ndarray, " step"]:
        """Return the number of each step's size in an epoch."""
        counts = [part.steps_per_epoch for part in self.of_size.values()]
        numbers = np.repeat(np.arange(len(counts)), counts)
        if len(counts) == 1:
            return numbers
        key = jax.random.fold_in(self._order_key, zlib.crc32(b"sizes"))
        key = jax.random.fold_in(key, epoch)
        return np.asarray(jax.random.permutation(key, numbers))


def steps_in_epoch(
    image_set: ImageSet, indices: Int[np.ndarray, " frame"], batch: int
) -> int:
    """Return how many steps an epoch of a split has, 0 for too few frames."""
    return sum(len(own) // batch for own in image_set.of_each_shape(indices).values())
