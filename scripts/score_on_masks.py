"""Score trained networks on the frames of chosen subjects with a given list of masks.

    python scripts/score_on_masks.py FOLDER --masks=FILE --subjects=p25,p26 \
        --models=MODEL,MODEL

`--rate=0.1` in place of a file draws 200 masks with the density of the published ones
(`sampling.kind` `cartesian`), the same in every run.

The frames of the subjects are counted through, and frame n has the mask n modulo the
number of masks, as published tests have it. A model is whatever `reconstruct --model`
takes. Every model is compared with the last one, frame by frame; intervals are of 95 %,
over subjects. PSNR and SSIM have the data range 1 (the convention `paper`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags
from jaxtyping import Bool, Int

from emrnas_jax.data.dataset import DataSettings, ImageSet, open_dataset
from emrnas_jax.data.pipeline import Batch
from emrnas_jax.data.readers.mask_files import read_masks
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.comparison import paired_difference
from emrnas_jax.evaluation.conventions import CONVENTIONS, PAPER, scorer
from emrnas_jax.inference.trained import load_model
from emrnas_jax.machine import host
from emrnas_jax.models.networks import parameter_count
from emrnas_jax.mri.fourier import to_channels
from emrnas_jax.mri.measurement import undersample, zero_filled
from emrnas_jax.mri.sampling import Sampling, draw_mask
from emrnas_jax.randomness import key_for

BATCH = 20
DRAWN = 200  # masks of a rate, as many as the published list has


def masks_of_file(path: str) -> Bool[np.ndarray, "mask row"]:
    """Return the masks of a file, the zero frequency first."""
    return np.fft.ifftshift(read_masks(path).unpack(), axes=1)


def masks_of_rate(rate: float, shape: tuple[int, int]) -> Bool[np.ndarray, "mask row"]:
    """Draw masks of one rate for images of a shape, the zero frequency first."""
    keys = jax.random.split(key_for(0, "masks of a score"), DRAWN)
    sampling = Sampling(rate=rate)
    return np.stack([draw_mask(sampling, key, shape)[:, 0] for key in keys])


def batches(
    images: ImageSet,
    frames: Int[np.ndarray, " frame"],
    masks: Bool[np.ndarray, "mask row"],
) -> list[Batch]:
    """Return the frames as networks take them, with masks by the frames' positions.

    Args:
        images: the data set, magnitudes.
        frames: positions of the frames in it.
        masks: True on measured rows, the zero frequency first.
    """
    found = []
    for first in range(0, len(frames), BATCH):
        own = np.arange(first, min(first + BATCH, len(frames)))
        values = images.images(frames[own])
        scale = 255 if values.dtype == np.uint8 else 1
        image = jnp.asarray(values / scale, jnp.complex64)
        mask = jnp.asarray(masks[own % len(masks)][:, :, None])
        measurement = undersample(image, mask)
        found.append(Batch(zero_filled(measurement), measurement, to_channels(image)))
    return found


def scores_of(
    name: str, data: list[Batch], test_time_flips: bool = False
) -> dict[str, np.ndarray]:
    """Return PSNR in dB and SSIM of every frame; of zero-filling for the name ""."""
    score = scorer(CONVENTIONS[PAPER])
    model = load_model(name, test_time_flips=test_time_flips) if name else None
    parts = []
    for batch in data:
        image = batch.zero_filled
        if model is not None:
            image = model.apply(model.variables, image, batch.measurement)
        parts.append(score((), image, batch, None))
    if model is not None:
        count = parameter_count(model.variables["params"])
        print(f"{name}: {count:,} parameters")
    return {
        key: np.concatenate([np.asarray(getattr(part, key)) for part in parts])
        for key in ("psnr_db", "ssim")
    }


def main(argv: Sequence[str]) -> None:
    """Print the scores as the flags say."""
    if len(argv) != 2:
        raise app.UsageError("give one folder of images")
    given: Any = flags.FLAGS
    if (given.masks is None) == (given.rate is None):
        raise app.UsageError("give either --masks or --rate")
    with host.clear_errors():
        host.prepare(Path(DataSettings.cache).expanduser())
        images = open_dataset(DataSettings(path=argv[1]))
        wanted = given.subjects or sorted(set(images.subjects))
        missing = sorted(set(wanted) - set(images.subjects))
        if missing:
            raise InputError(f"--subjects: found no {', '.join(missing)} in {argv[1]}")
        frames = np.flatnonzero([name in wanted for name in images.subjects])
        if given.masks is None:
            masks = masks_of_rate(given.rate, images.shape)
        else:
            masks = masks_of_file(given.masks)
        data = batches(images, frames, masks)
        found = {"zero-filled": scores_of("", data)}
        for name in given.models:
            found[name] = scores_of(name, data)
            if given.test_time_flips:
                found[f"{name}, flips"] = scores_of(name, data, test_time_flips=True)
    print(f"{len(frames)} frames of {len(wanted)} subjects")
    subjects = [images.subjects[i] for i in frames]
    *_, reference = found
    last = found[reference]["psnr_db"]
    for name, own in found.items():
        psnr = own["psnr_db"]
        line = f"{psnr.mean():.2f} dB, SSIM {own['ssim'].mean():.4f}"
        line += f", worst frame {psnr.min():.2f} dB"
        if name != reference:
            gain = paired_difference(last, psnr, 0, subjects)
            line += f"; {reference} - this: {gain.mean:+.2f} dB"
            line += f" [{gain.low:+.2f}, {gain.high:+.2f}]"
        print(f"{name}: {line}")


if __name__ == "__main__":
    flags.DEFINE_string("masks", None, "File of masks of rows.")
    flags.DEFINE_float("rate", None, "Fraction of the rows, to draw masks instead.")
    flags.DEFINE_list("subjects", [], "Subjects; all of them unless given.")
    flags.DEFINE_list("models", [], "Models to score.")
    flags.DEFINE_bool(
        "test_time_flips", False, "Score each model with four mirrored frames too."
    )
    app.run(main, flags_parser=host.parse_or_exit)
