"""One process at a time works in a run's folder; a refused start leaves nothing."""

import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.machine import processes
from emrnas_jax.runs.folder import RunFolder
from emrnas_jax.runs.lock import locked


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path / "runs" / "hearts")


def refuse(run):
    with pytest.raises(InputError, match=r"hearts: another process.*--workdir"):
        run_in(run)


def run_in(run, error=None):
    """Hold the folder as a command does that may fail."""
    with locked(run):
        if error:
            raise error


def test_a_held_folder_is_refused_and_free_afterwards(run):
    with locked(run):
        run.config.write_text("{}")
        refuse(run)
    run_in(run)
    assert run.config.exists()


def test_a_start_that_did_nothing_leaves_nothing(run):
    with locked(run):
        assert run.lock.exists()
    assert not run.path.exists()


def test_a_start_that_fails_before_it_writes_leaves_nothing(run):
    with pytest.raises(InputError, match="no data"):
        run_in(run, InputError("no data"))
    assert not run.path.exists()


def test_a_folder_that_was_there_before_stays(run):
    run.path.mkdir(parents=True)
    run_in(run)
    assert run.path.is_dir()


def test_what_was_written_stays_after_an_error(run):
    run.path.mkdir(parents=True)
    run.config.write_text("{}")
    with pytest.raises(InputError, match="diverged"):
        run_in(run, InputError("diverged"))
    assert run.config.exists()


def test_a_refused_process_does_not_take_the_folder_from_the_one_that_works(run):
    with locked(run):
        refuse(run)
        assert run.lock.exists()
        refuse(run)


def test_only_the_first_of_several_processes_takes_the_lock(run, monkeypatch):
    with locked(run):
        monkeypatch.setattr(processes, "is_first", lambda: False)
        with locked(run):  # that of the first holds for this one
            pass


def test_a_lock_that_the_first_could_not_get_is_refused_by_all(run, monkeypatch):
    monkeypatch.setattr(processes, "everywhere", lambda holds: False)  # noqa: ARG005
    refuse(run)
