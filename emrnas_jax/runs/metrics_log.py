"""`metrics.jsonl`: the log of a training, one JSON object per line.

Its numbers go to TensorBoard too. A run that is continued first drops the records after
its checkpoint (`truncate`), so the file reads as if the run had never been stopped. Of
several processes, the first one writes.
"""

import json
from pathlib import Path

from tensorboardX import SummaryWriter

from emrnas_jax.errors import InputError
from emrnas_jax.machine import processes
from emrnas_jax.machine.files import write_text
from emrnas_jax.runs.folder import TrainingFolder


def append(path: Path, row: dict) -> None:
    """Append one record."""
    # In one write of one line: a kill cuts the last line at most.
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def read(path: Path) -> list[dict]:
    """Return all records, oldest first; an empty list if the file is missing.

    Raises:
        InputError: a line is not a JSON object.
    """
    if not path.exists():
        return []
    rows = []
    # Half a character that a kill left must not keep the lines before from being read.
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
    """Keep the records up to and including `step`; drop a line that a kill cut.

    Args:
        path: the log.
        step: the last step to keep.
    """
    if not path.exists():
        return
    kept = []
    for line in path.read_text(errors="replace").splitlines():
        try:
            is_kept = json.loads(line)["step"] <= step
        except (json.JSONDecodeError, KeyError, TypeError):
            # What follows a line that cannot be read may repeat what was before it.
            break
        if not is_kept:
            break
        kept.append(line + "\n")
    write_text(path, "".join(kept))


class RunLog:
    """Writes records to the log of a training and their numbers to TensorBoard.

    It must be closed, for example by `contextlib.closing`.
    """

    def __init__(self, folder: TrainingFolder, resume_step: int) -> None:
        """Open the log, and drop the records after `resume_step`."""
        folder.path.mkdir(parents=True, exist_ok=True)
        self._path = folder.metrics
        truncate(self._path, resume_step)
        self._board = None
        if processes.is_first():
            # TensorBoard's files only grow: it hides the old values from this step on.
            self._board = SummaryWriter(
                str(folder.tensorboard), purge_step=resume_step + 1
            )

    def write(self, row: dict) -> None:
        """Write one record, which has at least "step"."""
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
