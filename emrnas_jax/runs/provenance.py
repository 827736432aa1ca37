"""`provenance.json`: the commands that worked on a run, with time, versions and device.

A record is kept up to date while its command works, so a command that was killed loses
its last seconds only. A run that was begun without the file gets none, because its
total time would be too short.
"""

import contextlib
import math
import platform
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Annotated

import jax
from msgspec import Meta, Struct, structs

from emrnas_jax.errors import InputError
from emrnas_jax.machine import processes
from emrnas_jax.machine.devices import device_name
from emrnas_jax.machine.files import replace_file
from emrnas_jax.machine.json_files import json_text, read_json
from emrnas_jax.runs.folder import RunFolder

UPDATE_SECONDS = 10.0

WAY_OUT = "delete it, and the report leaves out date, versions and times"


class Command(Struct, frozen=True):
    """One command that worked on a run.

    Attributes:
        command: the command line, or the function that was called.
        began: date and time of its start with the offset from UTC, ISO 8601.
        seconds: elapsed time.
        emrnas_jax: version of this package.
        jax: version of JAX.
        python: version of Python.
        device: name of the devices, from `machine.devices.device_name`.
    """

    command: str
    began: str
    seconds: Annotated[float, Meta(ge=0)]
    emrnas_jax: str
    jax: str
    python: str
    device: str

    def __post_init__(self) -> None:
        """Refuse times that no clock shows.

        Raises:
            ValueError: the time is infinite, or the start is no date with an offset.
        """
        if not math.isfinite(self.seconds):
            raise ValueError(f"seconds is {self.seconds}")
        if datetime.fromisoformat(self.began).tzinfo is None:
            raise ValueError(f"began is {self.began!r}, without its offset from UTC")


class _File(Struct, frozen=True):
    commands: tuple[Command, ...]


def read_commands(path: Path) -> tuple[Command, ...]:
    """Return the commands that worked on a run, oldest first; none without the file.

    Raises:
        InputError: the file is damaged.
    """
    return read_json(path, _File, WAY_OUT).commands if path.exists() else ()


def write_commands(path: Path, commands: tuple[Command, ...]) -> None:
    """Write the commands that worked on a run, oldest first, in this process alone."""
    # Not `write_json`: it waits for all processes, and this is written at any time.
    replace_file(path, json_text(_File(commands)).encode("utf-8"))


@contextlib.contextmanager
def recorded(run: RunFolder, command: str) -> Iterator["Recording"]:
    """Keep the record of the command that works on a run, within a `with`.

    At the end it is written a last time; it is withdrawn if the command was refused.

    Args:
        run: the run's folder, held by `runs.lock.locked`.
        command: the command line, or the function that was called.

    Raises:
        InputError: the record of the commands before is damaged.
    """
    recording = Recording(run, command)
    refused = False
    try:
        yield recording
    except InputError:
        # An error after some work, such as a loss that is not finite, is no refusal.
        refused = recording.seconds() < UPDATE_SECONDS
        raise
    finally:
        recording.end(refused)


class Recording:
    """The record of one command, brought up to date by a thread until it ends.

    Of several processes the first one writes.
    """

    def __init__(self, run: RunFolder, command: str) -> None:
        """Read the commands before this one, and write this one for the first time.

        Args:
            run: the run's folder.
            command: the command line, or the function that was called.

        Raises:
            InputError: the file is damaged.
        """
        self._run = run
        self._earlier = read_commands(run.provenance)
        # With a config and no record, earlier commands worked on it that nobody timed.
        complete = run.provenance.exists() or not run.config.exists()
        self._writes = complete and processes.is_first()
        self._started = time.monotonic()  # the clock of the day may be set meanwhile
        self._own = Command(
            # A name on a Linux command line may be no text; JSON holds text alone.
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
        self.update()
        # A daemon, so that it holds up no process that ends without `end`.
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def seconds(self) -> float:
        """Return how long the command has worked up to now."""
        return time.monotonic() - self._started

    def update(self) -> None:
        """Write how long the command has worked up to now."""
        own = structs.replace(self._own, seconds=round(self.seconds(), 1))
        self._write((*self._earlier, own))

    def end(self, refused: bool) -> None:
        """Write the record a last time.

        Args:
            refused: whether the command did nothing, so that it gets no record.
        """
        self._done.set()
        self._thread.join()
        # A run without a config was refused before it began.
        if not refused and self._run.config.exists():
            self.update()
        elif self._earlier:
            self._write(self._earlier)
        elif self._writes:
            self._run.provenance.unlink(missing_ok=True)

    def _write(self, commands: tuple[Command, ...]) -> None:
        if self._writes:
            with self._writing:
                write_commands(self._run.provenance, commands)

    def _keep(self) -> None:
        while not self._done.wait(UPDATE_SECONDS):
            # What cannot be written now is written later, or fails at the end.
            with contextlib.suppress(OSError):
                self.update()


def _package_version() -> str:
    try:
        return metadata.version("emrnas-jax")
    except metadata.PackageNotFoundError:  # a folder that is imported uninstalled
        return "not installed"
