r"""Say what files of images or k-space hold, and what `reconstruct` would do with them.

    python -m emrnas_jax.inspect FILE_OR_FOLDER... [--output=FOLDER]

With --output FOLDER gets a PNG for each file, with k-space, mask and zero-filled image
of its middle frame; files of one name get numbers. A file that cannot be used, or is
not there, is reported in a line and the others go on; the exit status is then 1.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import app, flags

from emrnas_jax.data.dataset import DataSettings
from emrnas_jax.data.readers.kspace_conventions import CONVENTIONS, NORMS
from emrnas_jax.data.readers.scan import Reading
from emrnas_jax.errors import InputError
from emrnas_jax.inference.failures import reason_of
from emrnas_jax.inference.inspection import draw_inspection, inspect_file
from emrnas_jax.inference.scans import find_scans
from emrnas_jax.machine import host
from emrnas_jax.machine.files import write_bytes


def define_flags() -> None:
    """Define the flags of this program; not at import, where they would collide."""
    flags.DEFINE_string("output", None, "Folder for a PNG of each file.")
    flags.DEFINE_enum(
        "kspace_convention", "", ["", *CONVENTIONS], "As for emrnas_jax.reconstruct."
    )
    flags.DEFINE_enum("kspace_norm", "", ["", *NORMS], "As for emrnas_jax.reconstruct.")
    flags.DEFINE_string(
        "kspace_axes", "", "Names of the axes of k-space, such as row,column,coil."
    )


def main(argv: Sequence[str]) -> int:
    """Inspect the files that are named, and return the exit status.

    Args:
        argv: name of the program, then files and folders.
    """
    given: Any = flags.FLAGS
    how = Reading(
        images="complex",
        phase_encode="columns",
        convention=given.kspace_convention,
        norm=given.kspace_norm,
        axes=given.kspace_axes,
    )
    output = None if given.output is None else Path(given.output).expanduser()
    failed = 0
    pictures: set[str] = set()
    with host.clear_errors():
        host.prepare(Path(DataSettings.cache).expanduser())
        places = [Path(word).expanduser() for word in argv[1:]]
        if not places:
            raise InputError("nothing is given; name files, or folders of them")
        for place in places:
            folder = place if place.is_dir() else place.parent
            try:
                paths = find_scans(place)
            except InputError as error:
                print(f"error: {error}", file=sys.stderr)  # noqa: T201
                failed += 1
                continue
            for path in paths:
                picture = None
                if output is not None:
                    picture = _free(output / path.relative_to(folder), pictures)
                failed += not _inspect(path, how, picture)
    return 1 if failed else 0


def _free(path: Path, taken: set[str]) -> Path:
    """Return the path of a picture that no file has yet, and take it.

    Args:
        path: path of the file below the folder of pictures.
        taken: paths of pictures, in lower case: on some file systems A and a are one.
    """
    number = 1
    picture = path.with_name(f"{path.name}.png")
    while str(picture).lower() in taken:
        number += 1
        picture = path.with_name(f"{path.name}-{number}.png")
    taken.add(str(picture).lower())
    return picture


def _inspect(path: Path, how: Reading, picture: Path | None) -> bool:
    """Print what a file holds and draw it, and return whether it can be used."""
    try:
        found = inspect_file(path, how)
        drawn = None if picture is None else draw_inspection(found, path.name)
    except Exception as error:
        reason = reason_of(error)
        if reason is None:
            raise
        reason = reason.removeprefix(f"{path}: ").splitlines()[0]
        print(f"error: {path}: {reason}", file=sys.stderr)  # noqa: T201
        return False
    lines = [*found.facts.items(), *(("warning", text) for text in found.warnings)]
    text = "\n".join(f"  {name:<12}{words}" for name, words in lines)
    print(f"{path}\n{text}")  # noqa: T201 - the program's answer
    if picture is not None and drawn is not None:
        write_bytes(picture, drawn)
    return True


if __name__ == "__main__":
    define_flags()
    app.run(main, flags_parser=host.parse_or_exit)
