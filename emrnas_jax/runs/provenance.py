"""`provenance.json` of a run: which commands worked on it, when, for how long, on what.

A record is kept up to date while its command works, so a command that was killed loses
its last seconds only. A run that was begun without the file gets none: its times would
be too short.
"""

import contextlib
import dataclasses
import json
import math
import platform
import threading
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any

import jax

from emrnas_jax.errors import InputError
from emrnas_jax.machine import processes
from emrnas_jax.machine.devices import device_name
from emrnas_jax.machine.files import json_text, replace_file

FILE = "provenance.json"
UPDATE_SECONDS = 10.0


@dataclasses.dataclass(frozen=True)
class Command:
    """One command that worked on a run.

    Attributes:
        command: the command line, or the function that was called.
        began: when it started: date and time with the offset from UTC, ISO 8601.
        seconds: how long it worked, by the clock on the wall.
        emrnas_jax: version of this package.
        jax: version of JAX.
        python: version of Python.
        device: what it worked on, as `devices.device_name` says it.
    """

    command: str
    began: str
    seconds: float
    emrnas_jax: str
    jax: str
    python: str
    device: str


def read_commands(run: Path) -> tuple[Command, ...]:
    """Return the commands that worked on a run, oldest first; none without the file.

    Raises:
        InputError: the file is damaged.
    """
    path = run / FILE
    if not path.exists():
        return ()
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return tuple(_command(line) for line in record["commands"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: damaged ({type(error).__name__}: {error}); delete it, and the "
            "report leaves out date, versions and times"
        ) from error


def _command(line: Any) -> Command:
    names = [field.name for field in dataclasses.fields(Command)]
    found: dict[str, Any] = {name: line[name] for name in names}
    seconds = found["seconds"]
    if not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
        raise ValueError(f"seconds is {seconds!r}")
    for name, value in found.items():
        if name != "seconds" and not isinstance(value, str):
            raise ValueError(f"{name} is {value!r}")
    if datetime.fromisoformat(found["began"]).tzinfo is None:
        raise ValueError(f"began is {found['began']!r}, without its offset from UTC")
    found["seconds"] = float(seconds)
    return Command(**found)


class Recording:
    """Keeps the record of the command that works on a run, within a `with`.

    Of several processes the first one writes.
    """

    def __init__(self, run: Path, command: str) -> None:
        """Read the commands before this one.

        Args:
            run: the folder of the run, held by `run_folder.locked`.
            command: the command line, or the function that was called.

        Raises:
            InputError: the file is damaged.
        """
        self._path, self._config = run / FILE, run / "config.json"
        self._earlier = read_commands(run)
        complete = self._path.exists() or not self._config.exists()
        self._writes = complete and processes.is_first()
        self._started = time.monotonic()
        self._own = Command(
            command=command.encode("utf-8", "replace").decode("utf-8"),
            began=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=0.0,
            emrnas_jax=_package_version(),
            jax=jax.__version__,
            python=platform.python_version(),
            device=device_name(),
        )
        self._writing = threading.Lock()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def update(self) -> None:
        """Write how long the command has worked up to now."""
        own = dataclasses.replace(self._own, seconds=round(self._seconds(), 1))
        self._write((*self._earlier, own))

    def _write(self, commands: tuple[Command, ...]) -> None:
        if not self._writes:
            return
        text = json_text({"commands": [dataclasses.asdict(line) for line in commands]})
        with self._writing:
            # Not `files.write_json`: the other processes do not wait for this file.
            replace_file(self._path, text.encode("utf-8"))

    def _withdraw(self) -> None:
        if self._earlier:
            self._write(self._earlier)
        elif self._writes:
            self._path.unlink(missing_ok=True)

    def _seconds(self) -> float:
        return time.monotonic() - self._started

    def _keep(self) -> None:
        while not self._done.wait(UPDATE_SECONDS):
            # What cannot be written now is written later, or fails at the end.
            with contextlib.suppress(OSError):
                self.update()

    def __enter__(self) -> "Recording":
        """Write the record, and start to keep it up to date."""
        self.update()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write the record a last time; withdraw it if the command was refused."""
        self._done.set()
        self._thread.join()
        refused = isinstance(error, InputError) and self._seconds() < UPDATE_SECONDS
        # A run without a config was refused before it began.
        if refused or not self._config.exists():
            self._withdraw()
        else:
            self.update()


def _package_version() -> str:
    try:
        return metadata.version("emrnas-jax")
    except metadata.PackageNotFoundError:  # a folder that is imported uninstalled
        return "not installed"
