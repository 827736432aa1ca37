"""Measure the best PSNR that a network can reach with each data consistency.

    python scripts/consistency_limits.py FOLDER [--images=complex]

Each consistency is applied to zero-filled and to true images. The two-step and the real
consistency assume real-valued images. Where images are complex, they change even the
true image, and the PSNR that is left is the most that a network can reach that ends in
them. PSNR compares complex images, with data range 1.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

from emrnas_jax.data.dataset import DataSettings, ImageSet, open_dataset
from emrnas_jax.data.pipeline import Batch, fixed_mask_key, make_batch
from emrnas_jax.errors import InputError
from emrnas_jax.experiment.config_files import load_config
from emrnas_jax.machine import host
from emrnas_jax.mri.consistency import CONSISTENCY, WEIGHTS
from emrnas_jax.mri.sampling import Sampling

BATCH = 15


@jax.jit
def psnr_db_of(batch: Batch) -> dict[str, jax.Array]:
    """Return the PSNR of every image in dB, by start image and consistency."""
    found = {
        f"{start} {name}": consistency(image, batch.measurement)
        for start, image in (("zero-filled", batch.zero_filled), ("true", batch.target))
        for name, consistency in CONSISTENCY.items()
        if name not in WEIGHTS  # a network learns how far these go
    }
    return {
        name: -10 * jnp.log10(jnp.sum((image - batch.target) ** 2, -1).mean((1, 2)))
        for name, image in found.items()
    }


def limits(images: ImageSet) -> dict[str, float]:
    """Return the mean PSNR in dB, by start image and consistency.

    Masks measure 15 % of the lines.

    Args:
        images: data set; all its frames are measured.
    """
    found: dict[str, list] = {}
    for first in range(0, len(images.subjects), BATCH):
        chosen = np.arange(first, min(first + BATCH, len(images.subjects)))
        frames, ids = images.images(chosen), images.frame_ids[chosen]
        batch = make_batch(
            jnp.asarray(frames), jnp.asarray(ids), fixed_mask_key(0), Sampling()
        )
        for name, values in psnr_db_of(batch).items():
            found.setdefault(name, []).append(np.asarray(values))
    return {name: float(np.concatenate(parts).mean()) for name, parts in found.items()}


def define_flags() -> None:
    """Define the flags of the command line."""
    kinds = ["magnitude", "complex"]
    flags.DEFINE_enum("images", "magnitude", kinds, "kind of images that are read")


def main(argv: Sequence[str]) -> None:
    """Print a line for every start image and consistency."""
    folders = list(argv[1:])
    with host.clear_errors():
        if len(folders) != 1:
            raise InputError(f"expected one folder of images, found {folders}")
        data: Any = load_config("configs/cardiac.py").data
        data.update(path=folders[0], images=flags.FLAGS.images)
        for name, value in limits(open_dataset(DataSettings(**data.to_dict()))).items():
            print(f"{name:22s} {value:7.2f} dB")


if __name__ == "__main__":
    define_flags()
    app.run(main, flags_parser=host.parse_or_exit)
