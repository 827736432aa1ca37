r"""Write a trained network as a model folder, which `reconstruct` and hubs take.

    python -m emrnas_jax.export --model=runs/cardiac --output=FOLDER

FOLDER gets `config.json`, `model.safetensors` and the model card `README.md`. It needs
no file of the run any more; `python -m emrnas_jax.reconstruct --model=FOLDER` uses it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import app, flags

from emrnas_jax.data.dataset import DataSettings
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.conventions import PAPER, in_words
from emrnas_jax.inference.model_card import model_card
from emrnas_jax.inference.trained import TrainedNetwork, load_model
from emrnas_jax.kernels.precision import PRECISIONS
from emrnas_jax.machine import host
from emrnas_jax.models.model_folder import FORMAT, STORED_AS, ModelConfig, write_model
from emrnas_jax.models.networks import parameter_count
from emrnas_jax.runs.begun_with import read_data
from emrnas_jax.runs.folder import NetworkFolder
from emrnas_jax.runs.network_files import read_cost
from emrnas_jax.runs.scores import read_scores

FORMATS = ("safetensors",)


def define_flags() -> None:
    """Define the flags of this program; not at import, where they would collide."""
    flags.DEFINE_string(
        "model",
        None,
        "Folder of a run, of one of its networks, or of a checkpoint in that.",
        required=True,
    )
    flags.DEFINE_integer("fold", None, "Fold of a run; the first unless given.")
    flags.DEFINE_string(
        "network", None, "Network of a run; emrnas unless given, if it was trained."
    )
    flags.DEFINE_enum(
        "precision",
        None,
        list(PRECISIONS),
        "Precision in which the model is used by default, in place of that of the "
        "training; the weights are the same.",
    )
    flags.DEFINE_string("output", None, "New folder for the model.", required=True)
    flags.DEFINE_enum("format", FORMATS[0], FORMATS, "Format of the weights.")
    flags.DEFINE_enum(
        "stored_as",
        STORED_AS[0],
        STORED_AS,
        "Type of the weights in the file. float16 is half as large; they are used in "
        "float32 all the same.",
    )
    flags.DEFINE_string("summary", "", "One line about the model, for its card.")


def main(argv: Sequence[str]) -> None:
    """Export as the flags say."""
    if len(argv) > 1:
        raise app.UsageError(f"not understood: {' '.join(argv[1:])}")
    given: Any = flags.FLAGS
    with host.clear_errors():
        host.prepare(Path(DataSettings.cache).expanduser())
        # absl requires these flags, but takes empty ones.
        for name in ("model", "output"):
            if not given[name].value:
                raise InputError(f"--{name} is empty; name a folder")
        model = load_model(given.model, given.fold, given.network, given.precision)
        folder = Path(given.output).expanduser()
        export_model(model, folder, given.summary, given.stored_as)
    print(f"{folder}: {model}")  # noqa: T201 - the program's answer


def export_model(
    model: TrainedNetwork,
    folder: Path,
    summary: str = "",
    stored_as: str = STORED_AS[0],
) -> None:
    """Write a model folder with what the files of the run say about the network.

    Args:
        model: the network, loaded from its run.
        folder: new or empty folder.
        summary: one line about the model.
        stored_as: a name in `models.model_folder.STORED_AS`, the type of the weights.

    Raises:
        InputError: the model has no training, the folder is not empty, or a weight is
            too large for the type.
    """
    if model.folder is None:
        raise InputError("this model has no weights to export; give a trained network")
    files = NetworkFolder(model.folder)
    fold = files.fold()
    data = fold.run.data if fold is not None else None
    config = ModelConfig(
        format=FORMAT,
        summary=summary,
        network=model.record,
        sha256="",  # written with the weights
        subjects=tuple(sorted(model.subjects)),
        training=dict(model.training),
        steps=model.step,
    )
    scores = files.scores(PAPER)
    card = model_card(
        folder.name,
        config,
        parameter_count(model.variables["params"]),
        str(read_data(data).get("source", "")) if data and data.exists() else "",
        read_scores(scores) if scores.exists() else None,
        read_cost(files.cost) if files.cost.exists() else None,
        in_words(PAPER),
    )
    write_model(folder, config, model.variables, card, stored_as)


if __name__ == "__main__":
    define_flags()
    app.run(main, flags_parser=host.parse_or_exit)
