"""Turn anything that goes wrong with one file of many into its outcome."""

import traceback
from collections.abc import Callable
from typing import TypeVar

import jax

from emrnas_jax.errors import InputError
from emrnas_jax.inference.plan import Job
from emrnas_jax.inference.summary import Outcome
from emrnas_jax.machine.files import write_text

Result = TypeVar("Result")


def attempt(work: Callable[[], Result]) -> Result | Exception:
    """Return the result of `work`, or its exception: one file never ends a folder."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - damaged files make libraries raise any
        return error


def failed(job: Job, error: Exception) -> Outcome:
    """Return the outcome of a file for which an exception was raised."""
    reason = reason_of(error)
    if reason is None:
        # A bug: its traceback goes beside the results, where the user finds it.
        details = job.result.with_suffix(".traceback.txt")
        text = "".join(traceback.format_exception(error))
        first = str(error).strip().partition("\n")[0]
        reason = f"an unexpected {type(error).__name__} ({first})"
        if not isinstance(attempt(lambda: write_text(details, text)), Exception):
            reason += f"; please report it with {details}"
    return Outcome(job.source, job.result, failure=reason)


def reason_of(error: Exception) -> str | None:
    """Return the reason of an expected failure in words, None for a bug."""
    first = str(error).strip().partition("\n")[0]
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, MemoryError):
        return "is too large for the memory of this machine"
    if isinstance(error, OSError):
        reason = error.strerror or first or type(error).__name__
        return f"{error.filename}: {reason}" if error.filename else reason
    # XLA raises it for memory, and for a device that was lost.
    if isinstance(error, jax.errors.JaxRuntimeError):
        return f"the device failed ({first}); a lower --batch needs less memory"
    return None
