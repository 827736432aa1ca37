"""Every exception becomes one outcome; only a bug leaves a traceback."""

from pathlib import Path

import jax
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.inference.failures import attempt, failed
from emrnas_jax.inference.plan import Job


@pytest.fixture
def job(tmp_path):
    paths = (tmp_path / "a.npz", tmp_path / "out" / "a.h5", tmp_path / "out" / "a.png")
    return Job(*paths, made_from={})


def test_an_attempt_returns_the_result_or_the_exception():
    assert attempt(lambda: 3) == 3
    error = InputError("bad file")

    def fails():
        raise error

    assert attempt(fails) is error


def test_ctrl_c_is_not_caught():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt(interrupted)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InputError("a.npz: is damaged\nknown are"), "a.npz: is damaged\nknown are"),
        (MemoryError(), "is too large for the memory of this machine"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (FileNotFoundError(2, "No such file", "a.npz"), "a.npz: No such file"),
        (OSError("odd"), "odd"),
        (OSError(), "OSError"),
        (
            jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: 3 GiB\nmore"),
            "the device failed (RESOURCE_EXHAUSTED: 3 GiB); a lower --batch needs less "
            "memory",
        ),
    ],
)
def test_what_can_be_expected_is_worded_and_leaves_no_traceback(error, reason, job):
    outcome = failed(job, error)
    assert outcome.failure == reason
    assert (outcome.source, outcome.result, outcome.frames) == (
        job.source,
        job.result,
        0,
    )
    assert not job.result.parent.exists()


def test_a_bug_leaves_its_traceback_beside_the_results(job):
    job.result.parent.mkdir()

    def buggy():
        return {}["missing"]

    error = attempt(buggy)
    assert isinstance(error, KeyError)
    details = job.result.parent / "a.traceback.txt"
    assert failed(job, error).failure == (
        f"an unexpected KeyError ('missing'); please report it with {details}"
    )
    assert "in buggy" in details.read_text()


def test_a_bug_is_reported_where_no_traceback_can_be_written(job):
    Path(job.result.parent).write_text("a file in the way")
    reason = failed(job, ValueError("first\nsecond")).failure
    assert reason == "an unexpected ValueError (first)"
