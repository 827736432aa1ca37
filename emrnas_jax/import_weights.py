r"""Turn a file of published weights into a model that `reconstruct` takes.

    python -m emrnas_jax.import_weights --network=dccnn --weights=FILE.npz \
        --output=FOLDER

The file is a flat dictionary of arrays, see `emrnas_jax.models.published`. FOLDER gets
what a training writes: `network.json` and a checkpoint. The published networks were
trained for magnitude images of 256 x 256 and masks of lines along the rows.
"""

import dataclasses
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

from emrnas_jax.data.dataset import DataSettings
from emrnas_jax.data.sampling_settings import SamplingSettings
from emrnas_jax.errors import InputError
from emrnas_jax.machine import host
from emrnas_jax.models.networks import complete_settings, parameter_count
from emrnas_jax.models.published import LAYER_NAMES, load_published, published_settings
from emrnas_jax.models.record import NetworkRecord
from emrnas_jax.runs.checkpoints import Checkpoints
from emrnas_jax.runs.folder import NetworkFolder
from emrnas_jax.training.retrain import identity
from emrnas_jax.training.retrain_settings import RetrainSettings
from emrnas_jax.training.retrain_steps import initial_state

SHAPE = (256, 256)  # pixels of the images that the published networks learned from


def define_flags() -> None:
    """Define the flags of this program; not at import, where they would collide."""
    flags.DEFINE_enum(
        "network", None, list(LAYER_NAMES), "Network of the weights.", required=True
    )
    flags.DEFINE_string("weights", None, "File of the weights, .npz.", required=True)
    flags.DEFINE_string("output", None, "Folder for the model.", required=True)
    flags.DEFINE_float(
        "sampling_rate",
        SamplingSettings.rate,
        "Fraction of k-space's lines that the network's masks measure.",
    )
    flags.DEFINE_integer("seed", 0, "Seed of the masks of complete images.")


def main(argv: Sequence[str]) -> None:
    """Import the weights as the flags say."""
    if len(argv) > 1:
        raise app.UsageError(f"not understood: {' '.join(argv[1:])}")
    given: Any = flags.FLAGS
    with host.clear_errors():
        host.prepare(Path(DataSettings.cache).expanduser())
        # absl requires these flags, but takes empty ones.
        for name in ("weights", "output"):
            if not given[name].value:
                raise InputError(f"--{name} is empty; name a file or folder")
        folder = Path(given.output).expanduser()
        weights = read_weights(Path(given.weights).expanduser())
        sampling = SamplingSettings(rate=given.sampling_rate)
        parameters = import_weights(
            given.network, weights, folder, sampling, given.seed
        )
    print(f"{folder}: {given.network}, {parameters:,} parameters")  # noqa: T201


def import_weights(
    name: str,
    weights: Mapping[str, np.ndarray],
    folder: Path,
    sampling: SamplingSettings,
    seed: int,
) -> int:
    """Write a network's folder, and return its number of parameters.

    Args:
        name: key of `models.published.LAYER_NAMES`.
        weights: arrays by name, as they were published.
        folder: new or empty folder of the model.
        sampling: masks that the network was trained for.
        seed: seed of the masks of complete images.

    Raises:
        InputError: the weights do not fit the network, or `folder` is not empty.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise InputError(
            f"{folder} is there already and is not overwritten; give another --output"
        )
    network, variables = load_published(name, weights)
    record = NetworkRecord(
        name=name,
        settings=complete_settings(name, published_settings(name, weights)),
        sampling=dataclasses.asdict(sampling),
        images="magnitude",
        shape=SHAPE,
        seed=seed,
    )
    fresh = jax.eval_shape(
        lambda: initial_state(network, RetrainSettings(), jax.random.key(0))
    )
    state = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), fresh)
    files = NetworkFolder(folder)
    checkpoints = Checkpoints(files.checkpoints, identity(record))
    # Step 0: no step of a training here has moved them.
    checkpoints.save(
        0,
        state._replace(
            weights=variables["params"], statistics=variables.get("batch_stats", {})
        ),
    )
    checkpoints.close()
    record.write(files.record)  # last: without it the folder is no model
    return parameter_count(variables["params"])


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz file.

    Raises:
        InputError: the file is missing, or not an .npz file of arrays.
    """
    try:
        # Opened here: NumPy leaves what it cannot read open.
        with path.open("rb") as opened, np.load(opened) as file:
            return dict(file)
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing; --weights is an .npz file") from error
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: not an .npz file of arrays ({error}); save the dictionary with "
            "numpy.savez"
        ) from error


if __name__ == "__main__":
    define_flags()
    app.run(main, flags_parser=host.parse_or_exit)
