"""The models that come with the package, each a model folder by its name."""

from pathlib import Path

from emrnas_jax.models.model_folder import is_model_folder, read_config

FOLDER = Path(__file__).parent / "weights"


def included_models() -> dict[str, Path]:
    """Return the folder of every model that comes with the package, by its name."""
    folders = sorted(FOLDER.iterdir()) if FOLDER.is_dir() else []
    return {folder.name: folder for folder in folders if is_model_folder(folder)}


def model_at(path: str | Path) -> Path:
    """Return where a model is: a path that exists, or else the model of that name."""
    where = Path(path).expanduser()
    return where if where.exists() else included_models().get(str(path), where)


def lines_of_included() -> list[str]:
    """Return a line about every included model, for people."""
    return [
        f"{name}: {read_config(folder).summary} ({folder})"
        for name, folder in included_models().items()
    ]
