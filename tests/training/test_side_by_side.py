"""Folds side by side: the same searches, and one that fails stops the others."""

import os
import signal
import threading
from functools import partial

import jax
import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.models.emrnas import SearchNetwork
from emrnas_jax.runs import metrics_log
from emrnas_jax.runs.checkpoints import Checkpoints
from emrnas_jax.training.loop import DivergedError, LoopSettings
from emrnas_jax.training.search import search_fold
from emrnas_jax.training.search_programs import search_programs
from emrnas_jax.training.search_settings import SearchSettings
from emrnas_jax.training.search_state import identity
from emrnas_jax.training.side_by_side import meshes_apart, run_side_by_side

NETWORK = SearchNetwork(components=1, cells_per_block=1, width=4)
SETTINGS = SearchSettings(warmup_epochs=0, search_epochs=2, batch=2)
LOOP = LoopSettings(steps_per_dispatch=2, checkpoint_seconds=1e9)
SEED = 3


def test_every_training_has_devices_of_its_own():
    meshes = meshes_apart(2, 4, "x")
    found = [mesh.devices.tolist() for mesh in meshes]
    assert found == [jax.devices()[:2], jax.devices()[2:]]
    # Three share four devices as one each; an odd batch takes one of two.
    assert [mesh.size for mesh in meshes_apart(3, 8, "x")] == [1, 1, 1]
    assert [mesh.size for mesh in meshes_apart(2, 3, "x")] == [1, 1]


def test_too_few_devices_or_several_processes_are_refused(monkeypatch):
    with pytest.raises(InputError, match=r"search\.x needs a device.*5 folds, found 4"):
        meshes_apart(5, 8, "search.x")
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(InputError, match=r"search\.x needs all devices.*2 processes"):
        meshes_apart(2, 8, "search.x")


def waits(termination, stopped):
    for _ in range(1000):
        if termination.requested:
            stopped.append(termination.reason)
            raise SystemExit(128 + termination.requested)
        threading.Event().wait(0.01)


def test_one_that_fails_stops_the_others_and_its_error_surfaces():
    stopped = []

    def fail(termination):
        del termination
        raise DivergedError("fold 2: not finite")

    with pytest.raises(DivergedError, match="fold 2"):
        run_side_by_side([lambda t: waits(t, stopped), fail])
    assert stopped == ["stopped with another (DivergedError)"]


def test_a_signal_stops_all():
    stopped = []

    def send(termination):
        os.kill(os.getpid(), signal.SIGTERM)
        waits(termination, stopped)

    with pytest.raises(SystemExit) as raised:
        run_side_by_side([lambda t: waits(t, stopped), send])
    assert raised.value.code == 128 + signal.SIGTERM
    assert stopped == ["SIGTERM", "SIGTERM"]


@pytest.fixture(scope="module")
def search_of(split_of, sampling):
    """Search a fold on a mesh: 3 steps per epoch."""
    programs = {}

    def run(folder, fold, mesh, termination=None, spoil=False):
        if mesh not in programs:
            programs[mesh] = search_programs(NETWORK, SETTINGS, sampling, SEED, mesh)

        def run(state, *rest):
            state = programs[mesh].search(state, *rest)
            nan = state.train_loss * np.nan
            return state._replace(train_loss=nan) if spoil else state

        return search_fold(
            f"fold {fold}",
            folder,
            NETWORK,
            programs[mesh]._replace(search=run),
            SETTINGS,
            split_of(6, mesh=mesh),
            split_of(4, mesh=mesh),
            SEED,
            fold,
            LOOP,
            termination,
        )

    return run


@pytest.mark.slow
def test_folds_side_by_side_find_what_they_find_in_turn(search_of, tmp_path):
    meshes = meshes_apart(2, 2, "x")
    run_side_by_side(
        [
            lambda t, k=k, mesh=mesh: search_of(tmp_path / f"both_{k}", k, mesh, t)
            for k, mesh in enumerate(meshes)
        ]
    )
    for k in (0, 1):
        search_of(tmp_path / f"turn_{k}", k, meshes[0])
        rows = [
            metrics_log.read(tmp_path / f"{name}_{k}" / "metrics.jsonl")
            for name in ("both", "turn")
        ]
        for found, expected in zip(*rows, strict=True):
            assert found["path_counts"] == expected["path_counts"]
            np.testing.assert_allclose(
                found["probabilities"], expected["probabilities"], atol=1e-6
            )
            np.testing.assert_allclose(
                found["train_loss"], expected["train_loss"], rtol=1e-4
            )


@pytest.mark.slow
def test_the_others_keep_their_checkpoints_when_one_diverges(search_of, tmp_path):
    meshes = meshes_apart(2, 2, "x")

    def task(fold, termination):
        folder = tmp_path / str(fold)
        search_of(folder, fold, meshes[fold], termination, spoil=fold == 1)

    with pytest.raises(DivergedError, match="fold 1"):
        run_side_by_side([partial(task, 0), partial(task, 1)])
    checkpoints = Checkpoints(
        tmp_path / "0" / "checkpoints", identity(NETWORK, SETTINGS)
    )
    assert checkpoints.latest()
    checkpoints.close()
