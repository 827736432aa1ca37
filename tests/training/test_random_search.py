"""Random search with shared weights: uniform paths, then the best of the candidates."""

import json
import re
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.data.pipeline import fixed_mask_key, make_batch
from emrnas_jax.errors import InputError
from emrnas_jax.models.emrnas import SearchNetwork
from emrnas_jax.nas.gates import fixed_gates
from emrnas_jax.nas.space import Architecture
from emrnas_jax.runs import metrics_log
from emrnas_jax.runs.architecture import read_architecture
from emrnas_jax.training.candidates import draw_candidates, paid_for
from emrnas_jax.training.ensemble import ensemble_of_folds
from emrnas_jax.training.loop import LoopSettings, TerminationRequest
from emrnas_jax.training.loss import squared_error
from emrnas_jax.training.random_search import (
    certain,
    judge_candidates,
)
from emrnas_jax.training.search import search_fold
from emrnas_jax.training.search_programs import search_programs
from emrnas_jax.training.search_settings import SearchSettings

NETWORK = SearchNetwork(components=1, cells_per_block=1, width=4)
SETTINGS = SearchSettings(warmup_epochs=0, search_epochs=2, batch=2, method="random")
SEED = 3
DRAWN = draw_candidates(NETWORK, paid_for(8, 3), SEED)
FOUR = [Architecture(((number,),)) for number in range(4)]


class Stop(Exception):  # noqa: N818 - stands for a kill
    pass


def left_of_four(judged):
    return [own for own in FOUR if own not in judged]


@pytest.fixture(scope="module")
def programs(sampling):
    return search_programs(NETWORK, SETTINGS, sampling, SEED)


@pytest.fixture(scope="module")
def search(programs, split_of):
    """Search into a folder: 8 steps, 3 batches of validation in chunks of 2."""

    def run(folder, used=programs):
        split = split_of(6, steps_per_call=2, device_mib=0.0)
        return search_fold(
            "search",
            folder,
            NETWORK,
            used,
            SETTINGS,
            split_of(9),
            split,
            SEED,
            1,
            LoopSettings(steps_per_dispatch=2),
        )

    return run


@pytest.fixture(scope="module")
def searched(search, programs, tmp_path_factory):
    """The folder of a random search, what it found, and its state at the end."""
    folder, states = tmp_path_factory.mktemp("search"), []

    def noted(*arguments):
        states.append(programs.search(*arguments))
        return states[-1]

    found = search(folder, programs._replace(search=noted))
    return folder, *found, states[-1]


@pytest.mark.slow
def test_the_candidate_of_the_lowest_loss_is_the_architecture(searched):
    folder, architecture, p, _ = searched
    rows = metrics_log.read(folder / "candidates.jsonl")
    # As many passes of 3 batches as 8 steps of alphas would have paid for.
    assert [row["architecture"] for row in rows] == [str(c) for c in DRAWN]
    best = min(rows, key=lambda row: row["validation_loss"])
    assert str(architecture) == best["architecture"]
    np.testing.assert_array_equal(p.argmax(-1), architecture.cells)
    np.testing.assert_array_equal(np.sort(p)[:, -2:], [[0, 1]])
    found, probabilities = read_architecture(folder / "architecture.json")
    assert found == architecture
    np.testing.assert_array_equal(probabilities, p)


@pytest.mark.slow
def test_a_candidate_is_judged_on_the_validation_frames(searched, phantoms, sampling):
    """Against the network itself, with the weights that the search ended with."""
    folder, _, _, state = searched
    row = metrics_log.read(folder / "candidates.jsonl")[-1]
    images, ids = phantoms.images(range(6)), phantoms.frame_ids[:6]
    batch = make_batch(
        jnp.asarray(images), jnp.asarray(ids), fixed_mask_key(SEED), sampling
    )
    cells = Architecture.parse(row["architecture"]).cells
    gates = fixed_gates(jnp.array(cells, jnp.int32))
    image = jax.jit(NETWORK.apply)(
        {"params": state.weights}, batch.zero_filled, batch.measurement, gates
    )
    loss = squared_error(image, batch.target)
    np.testing.assert_allclose(row["validation_loss"], loss, rtol=1e-4)


@pytest.mark.slow
def test_alphas_never_move_and_the_log_has_no_probabilities(searched):
    folder, _, _, state = searched
    assert not np.any(state.alphas)
    rows = metrics_log.read(folder / "metrics.jsonl")
    assert [row["phase"] for row in rows] == ["search", "search"]
    for row in rows:
        assert row["train_loss"] > 0
        np.testing.assert_array_equal(np.sum(row["path_counts"], -1), 4)
        assert not {"probabilities", "entropy", "validation_loss"} & row.keys()


@pytest.mark.slow
def test_killed_among_the_candidates_it_continues_to_the_same(
    searched, search, programs, tmp_path
):
    calls = []

    def stop(*arguments):
        calls.append(arguments)
        if len(calls) > 5:
            raise Stop
        return programs.validate(*arguments)

    with pytest.raises(Stop):
        search(tmp_path, programs._replace(validate=stop))
    assert not (tmp_path / "architecture.json").exists()
    assert len(metrics_log.read(tmp_path / "candidates.jsonl")) == 2
    with (tmp_path / "candidates.jsonl").open("a") as file:
        file.write('{"step": 3, "architec')  # a line that the kill cut
    calls.clear()

    def count(*arguments):
        calls.append(arguments)
        return programs.validate(*arguments)

    found, _ = search(tmp_path, programs._replace(validate=count, search=stop))
    assert found == searched[1]
    assert len(calls) == 2 * (len(DRAWN) - 2)
    assert metrics_log.read(tmp_path / "candidates.jsonl") == metrics_log.read(
        searched[0] / "candidates.jsonl"
    )


def test_a_request_to_stop_ends_it_between_two_candidates(tmp_path):
    asked = TerminationRequest()
    asked.stop("because another did")
    with pytest.raises(SystemExit) as raised:
        judge_candidates("x", tmp_path, NETWORK, 4, left_of_four, lambda _: 1.0, asked)
    assert raised.value.code == 128 + signal.SIGTERM


@pytest.mark.parametrize("shared", ["none", "block", "network"])
def test_candidates_are_different_and_share_what_the_network_shares(shared):
    network = SearchNetwork(components=2, cells_per_block=2, width=4, shared=shared)
    drawn = draw_candidates(network, 40, SEED)
    assert len(set(drawn)) == len(drawn)
    # Of 8, 64 and 4096 there are.
    assert len(drawn) == {"network": 8, "block": 32, "none": 40}[shared]
    for architecture in drawn:
        first, second = architecture.blocks
        if shared != "none":
            assert first == second
        if shared == "network":
            assert len(set(architecture.cells)) == 1
    fewer = draw_candidates(network, 13, SEED)
    assert fewer == drawn[: len(fewer)]
    assert draw_candidates(network, 40, SEED + 1) != drawn


def test_candidates_that_are_not_wanted_are_drawn_again():
    network = SearchNetwork(components=2, cells_per_block=2, width=4)

    def fits(own):
        return own.cells[0] < 2

    drawn = draw_candidates(network, 30, SEED, fits)
    every = draw_candidates(network, 400, SEED)
    assert drawn == [own for own in every if fits(own)][: len(drawn)]
    assert 25 < len(drawn) <= 30
    assert draw_candidates(network, 30, SEED, lambda _: False) == []


def test_steps_of_alphas_pay_for_twice_as_many_forward_passes():
    assert paid_for(12, 6) == 4
    assert paid_for(1, 100) == 1


def write_fold(folder, losses):
    folder.mkdir()
    for number, (text, loss) in enumerate(losses.items(), 1):
        row = {"step": number, "architecture": text, "validation_loss": loss}
        metrics_log.append(folder / "candidates.jsonl", row)
    record = {"architecture": min(losses, key=lambda text: losses[text])}
    (folder / "architecture.json").write_text(json.dumps(record))


def test_the_folds_choose_together_and_hard_subjects_count_no_more(tmp_path):
    """[O2] is best of all for two folds; the third, ten times as hard, is one vote."""
    folders = [tmp_path / name for name in "abc"]
    write_fold(folders[0], {"[O1]": 1.0, "[O2]": 0.9, "[O3]": 2.0})
    write_fold(folders[1], {"[O1]": 1.0, "[O2]": 0.9, "[O3]": 2.0, "[O4]": 0.1})
    write_fold(folders[2], {"[O1]": 10.0, "[O2]": 11.0, "[O3]": 20.0})
    architecture, p = ensemble_of_folds(folders, SETTINGS, 1)
    assert str(architecture) == "[O2]"
    np.testing.assert_array_equal(p, certain(architecture))
    write_fold(tmp_path / "d", {"[O7]": 1.0})
    with pytest.raises(InputError, match=re.escape(str(folders[0]))):
        ensemble_of_folds([*folders, tmp_path / "d"], SETTINGS, 1)


def test_candidates_say_that_they_are_judged_and_how_many_were_before(tmp_path, said):
    given, losses = ("x", tmp_path, NETWORK, 4, left_of_four), iter([0.4, 0.1])

    def stop_after_two(_):
        try:
            return next(losses)
        except StopIteration:
            raise Stop from None

    with pytest.raises(Stop):
        judge_candidates(*given, stop_after_two)
    assert said == ["x: judging 4 candidates"]
    said.clear()
    task = "training and judging"
    judged = judge_candidates(*given, lambda _: 1.0, task=task)
    assert judged == dict(zip(FOUR, [0.4, 0.1, 1.0, 1.0], strict=True))
    assert said == [
        "x: 2 of 4 candidates were judged before",
        "x: training and judging 2 candidates",
    ]
