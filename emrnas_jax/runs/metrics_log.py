"""One `metrics.jsonl` per training: a JSON object per line, also as TensorBoard files.

A run that is continued first drops the rows after its checkpoint (`truncate`), so the
file reads as if the run had never been stopped. Of several processes the first writes.
"""

import json
from pathlib import Path

from tensorboardX import SummaryWriter

from emrnas_jax.errors import InputError
from emrnas_jax.machine import processes
from emrnas_jax.machine.files import write_text
from emrnas_jax.runs.folder import TrainingFolder


def append(path: Path, row: dict) -> None:
    """Append one row."""
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")


def read(path: Path) -> list[dict]:
    """Return all rows, oldest first; an empty list when the file is not there.

    Raises:
        InputError: a line is not a JSON object.
    """
    if not path.exists():
        return []
    rows = []
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(
                f"{path}, line {number}: not JSON ({error}); delete the line"
            ) from error
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number}: expected an object; delete it")
        rows.append(row)
    return rows


def truncate(path: Path, step: int) -> None:
    """Keep the rows up to and including `step`; a line cut by a kill goes too."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(errors="replace").splitlines():
        try:
            is_kept = json.loads(line)["step"] <= step
        except (json.JSONDecodeError, KeyError, TypeError):
            break
        if not is_kept:
            break
        kept.append(line + "\n")
    write_text(path, "".join(kept))


class RunLog:
    """Writes rows to the log of a training and their numbers to TensorBoard.

    To be closed, for example by `contextlib.closing`.
    """

    def __init__(self, folder: TrainingFolder, resume_step: int) -> None:
        """Open the log; rows after `resume_step` are dropped."""
        folder.path.mkdir(parents=True, exist_ok=True)
        self._path = folder.metrics
        truncate(self._path, resume_step)
        self._board = None
        if processes.is_first():
            # TensorBoard cannot drop lines; it is told from which step on they are new.
            self._board = SummaryWriter(
                str(folder.tensorboard), purge_step=resume_step + 1
            )

    def write(self, row: dict) -> None:
        """Write one row, which has at least "step"."""
        if self._board is None:
            return
        append(self._path, row)
        for name, value in row.items():
            if isinstance(value, int | float) and name != "step":
                self._board.add_scalar(name, value, row["step"])

    def close(self) -> None:
        """Close the TensorBoard file."""
        if self._board is not None:
            self._board.close()
