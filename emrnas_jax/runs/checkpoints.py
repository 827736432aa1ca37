"""Checkpoints of a training: save, restore, and refuse those of another network.

Orbax writes a checkpoint into a temporary folder and renames it when it is whole, so a
run killed while saving continues from the checkpoint before. The two newest are kept.
"""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from emrnas_jax.errors import InputError
from emrnas_jax.runs.begun_with import with_earlier_values


class Checkpoints:
    """The checkpoints of one training.

    Every checkpoint has an identity, a JSON object with its network and settings; a
    checkpoint of another identity is refused.
    """

    def __init__(
        self, folder: Path, identity: dict, *, read_only: bool = False
    ) -> None:
        """Open a folder of checkpoints; it is made if it is missing.

        Args:
            folder: the folder.
            identity: network and settings of the training, which JSON can hold.
            read_only: whether to leave the folder as it is. A training may be saving
                there, whose unfinished folders would otherwise be removed.
        """
        self._folder = folder.resolve()
        # As it comes back from JSON, where tuples are lists.
        self._identity: dict = json.loads(json.dumps(identity))
        self._manager = ocp.CheckpointManager(
            self._folder,
            options=ocp.CheckpointManagerOptions(
                # Two, so that one is left where the newest is damaged.
                preservation_policy=ocp.checkpoint_managers.LatestN(2),
                cleanup_tmp_directories=not read_only,
                create=not read_only,
                # Saved means on disk: a run may be killed as soon as `save` returns.
                enable_async_checkpointing=False,
            ),
            item_names=("state", "identity"),
        )

    def latest(self) -> int | None:
        """Return the step of the newest checkpoint; None without a checkpoint."""
        return self._manager.latest_step()

    def save(self, step: int, state: Any) -> None:
        """Save a state; saving the same step again does nothing."""
        if step == self.latest():
            return
        self._manager.save(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(state),
                identity=ocp.args.JsonSave(self._identity),
            ),
        )

    def restore(self, like: Any, step: int | None = None) -> Any | None:
        """Return the newest state, or None if nothing was saved.

        Args:
            like: tree of arrays, or of their shapes, of the same structure.
            step: step of the checkpoint to read instead of the newest.

        Raises:
            InputError: the checkpoint belongs to another network, or is damaged.
        """
        step = self.latest() if step is None else step
        if step is None:
            return None
        path = self._folder / str(step)
        found = self._read(path, step, identity=ocp.args.JsonRestore())["identity"]
        if found.get("kind") == "search" and "precision" in self._identity:
            # Older searches did not record it; the run's config holds them to theirs.
            found = {"precision": self._identity["precision"]} | found
        found = with_earlier_values(found, self._identity)
        differing = sorted(
            key
            for key in found.keys() | self._identity.keys()
            if found.get(key) != self._identity.get(key)
        )
        if differing:
            changes = "; ".join(
                f"{key} is {found.get(key)!r} there and {self._identity.get(key)!r} "
                "here"
                for key in differing
            )
            raise InputError(
                f"{path} is a checkpoint of another network: {changes}; use its "
                "settings, or another work folder"
            )
        # Read to the host: Orbax would put every array on the device it was saved from,
        # which this machine may not have, and bind it there, so that a step would be
        # compiled once for restored and once for fresh arrays.
        on_host = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), like)
        restored = self._read(path, step, state=ocp.args.StandardRestore(on_host))
        for found, expected in zip(
            jax.tree.leaves(restored["state"]), jax.tree.leaves(like), strict=True
        ):
            if found.shape != expected.shape:
                raise InputError(
                    f"{path} is a checkpoint of another network: an array of shape "
                    f"{found.shape} there has {expected.shape} here; use its "
                    "settings, or another work folder"
                )
        return jax.tree.map(jnp.asarray, restored["state"])

    def _read(self, path: Path, step: int, **items: ocp.args.CheckpointArgs) -> Any:
        try:
            return self._manager.restore(step, args=ocp.args.Composite(**items))
        except Exception as error:  # Orbax has no type of its own for damage
            reason = str(error).strip().splitlines()
            raise InputError(
                f"{path}: the checkpoint cannot be read "
                f"({type(error).__name__}: {reason[0] if reason else ''}); delete this "
                "folder to continue from the checkpoint before"
            ) from error

    def close(self) -> None:
        """Release what Orbax holds."""
        self._manager.close()


def restore_latest(
    folder: Path,
    identity: dict,
    like: Any,
    step: int | None = None,
) -> Any:
    """Return the newest state in a folder of checkpoints, or that of `step`.

    Args:
        folder: the folder.
        identity: network and settings that the checkpoint must have.
        like: tree of arrays, or of their shapes, of the same structure.
        step: step of the checkpoint; None for the newest.

    Raises:
        InputError: nothing was saved, or for another network, or it is damaged.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is missing: nothing was trained here yet")
    checkpoints = Checkpoints(folder, identity, read_only=True)
    try:
        state = checkpoints.restore(like, step)
    finally:
        checkpoints.close()
    if state is None:
        raise InputError(f"{folder} holds no checkpoint: nothing was trained here yet")
    return state
