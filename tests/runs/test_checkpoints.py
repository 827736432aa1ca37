"""Checkpoints: what is saved comes back, and what cannot be used is refused."""

import gc
import shutil
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emrnas_jax.errors import InputError
from emrnas_jax.runs.checkpoints import Checkpoints, restore_latest

# When a read fails, Orbax forgets coroutines that it has not awaited.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore:coroutine:RuntimeWarning",
)


@pytest.fixture(autouse=True)
def _collect_forgotten_coroutines():
    # Searching all that the other tests have left would take two seconds for each test.
    gc.freeze()
    yield
    gc.collect()
    gc.unfreeze()


IDENTITY = {"kind": "search", "width": 4, "momentum": 0.9, "residual": True}


class State(NamedTuple):
    weights: Any
    empty: Any
    step: Any


def state_of(step):
    random = np.random.default_rng(step)
    return State(
        {"a": {"kernel": jnp.asarray(random.standard_normal((3, 5)), jnp.float32)}},
        {},
        jnp.asarray(step, jnp.int32),
    )


LIKE = state_of(0)


def assert_same(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def save(folder, *steps, identity=IDENTITY):
    checkpoints = Checkpoints(folder, identity)
    for step in steps:
        checkpoints.save(step, state_of(step))
    checkpoints.close()


def test_the_newest_state_comes_back_and_the_two_newest_are_kept(tmp_path):
    folder = tmp_path / "run" / "checkpoints"
    save(folder, 3, 7, 12)
    assert sorted(path.name for path in folder.iterdir()) == ["12", "7"]
    checkpoints = Checkpoints(folder, IDENTITY)
    assert checkpoints.latest() == 12
    assert_same(checkpoints.restore(LIKE), state_of(12))
    assert_same(checkpoints.restore(jax.eval_shape(lambda: LIKE)), state_of(12))
    checkpoints.close()
    assert_same(restore_latest(folder, IDENTITY, LIKE), state_of(12))


def test_saving_a_step_again_changes_nothing(tmp_path):
    save(tmp_path, 5)
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    checkpoints.save(5, state_of(6))
    assert_same(checkpoints.restore(LIKE), state_of(5))
    checkpoints.close()


def test_nothing_saved_is_none_or_an_input_error(tmp_path):
    checkpoints = Checkpoints(tmp_path / "new", IDENTITY)
    assert checkpoints.latest() is None
    assert checkpoints.restore(LIKE) is None
    checkpoints.close()
    with pytest.raises(InputError, match=r"new holds no checkpoint"):
        restore_latest(tmp_path / "new", IDENTITY, LIKE)
    with pytest.raises(InputError, match=r"nowhere is missing"):
        restore_latest(tmp_path / "nowhere", IDENTITY, LIKE)
    assert not (tmp_path / "nowhere").exists()


def test_a_search_that_did_not_record_its_precision_goes_on(tmp_path):
    before = {"kind": "search", "width": 4}
    checkpoints = Checkpoints(tmp_path, before)
    checkpoints.save(5, state_of(5))
    checkpoints.close()
    now = before | {"precision": "bf16"}
    assert_same(restore_latest(tmp_path, now, LIKE), state_of(5))
    checkpoints = Checkpoints(tmp_path, now)
    checkpoints.save(6, state_of(6))
    checkpoints.close()
    with pytest.raises(InputError, match="precision is 'bf16' there and 'tf32' here"):
        restore_latest(tmp_path, before | {"precision": "tf32"}, LIKE)


def test_a_checkpoint_of_another_identity_is_refused_with_what_differs(tmp_path):
    save(tmp_path, 5)
    other = {key: IDENTITY[key] for key in IDENTITY if key != "residual"}
    with pytest.raises(InputError) as raised:
        restore_latest(tmp_path, other | {"width": 8, "depth": 2}, LIKE)
    message = str(raised.value)
    assert f"{tmp_path / '5'} is a checkpoint of another network" in message
    assert "width is 4 there and 8 here" in message
    assert "depth is None there and 2 here" in message
    assert "residual is True there and None here" in message
    assert "momentum" not in message


def test_identities_compare_as_they_are_written(tmp_path):
    """JSON knows no tuples, and an identity with one is still its own."""
    save(tmp_path, 5, identity={"sizes": (1, 2), "deep": {"a": (3,)}})
    identity = {"sizes": (1, 2), "deep": {"a": (3,)}}
    assert_same(restore_latest(tmp_path, identity, LIKE), state_of(5))


@pytest.mark.parametrize(
    "other",
    [
        LIKE._replace(weights={"a": {"kernel": jnp.zeros((3, 4))}}),
        LIKE._replace(weights={"a": {"kernel": jnp.zeros((6, 5))}}),
        LIKE._replace(weights={"b": {"kernel": jnp.zeros((3, 5))}}),
        LIKE._replace(weights={}),
    ],
    ids=["narrower", "longer", "renamed", "missing"],
)
def test_a_state_of_other_shapes_is_refused(tmp_path, other):
    save(tmp_path, 5)
    with pytest.raises(InputError, match=r"cannot be read|of another network"):
        restore_latest(tmp_path, IDENTITY, other)


def test_a_checkpoint_is_not_bound_to_the_device_it_was_saved_from(tmp_path):
    """As when a network trained on a GPU is used on a machine without."""
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    checkpoints.save(5, jax.device_put(state_of(5), jax.devices()[1]))
    checkpoints.close()
    for sharding in tmp_path.rglob("_sharding"):
        text = sharding.read_text()
        assert "cpu:1" in text
        sharding.write_text(text.replace("cpu:1", "cuda:7"))
    for like in (LIKE, jax.eval_shape(lambda: LIKE)):
        found = restore_latest(tmp_path, IDENTITY, like)
        assert_same(found, state_of(5))
        for leaf in jax.tree.leaves(found):
            assert leaf.devices() == {jax.devices()[0]}
            assert not leaf.committed


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    save(folder, 5)
    return folder


def refusal(folder):
    """Why the checkpoint is refused; nothing if it gives its state after all."""
    try:
        found = restore_latest(folder, IDENTITY, LIKE)
    except InputError as error:
        return str(error)
    assert_same(found, state_of(5))
    return ""


def test_damage_to_any_file_is_an_input_error_that_names_the_folder(whole, tmp_path):
    """Cut to nothing, cut to half, or removed; some files Orbax can do without."""
    files = [p.relative_to(whole) for p in whole.rglob("*") if p.is_file()]
    refused = set()
    for number, (file, damage) in enumerate(
        (file, damage) for file in files for damage in ("empty", "half", "gone")
    ):
        folder = tmp_path / str(number)
        shutil.copytree(whole, folder)
        content = (folder / file).read_bytes()
        if damage == "gone":
            (folder / file).unlink()
        else:
            half = content[: len(content) // 2] if damage == "half" else b""
            (folder / file).write_bytes(half)
        message = refusal(folder)
        if message:
            assert str(folder) in message
            refused.add((file.parent.name, damage))
    assert {("identity", damage) for damage in ("empty", "half", "gone")} <= refused
    assert any(place == "d" for place, _ in refused)  # the arrays themselves


def test_a_damaged_newest_checkpoint_names_the_way_out_and_it_works(tmp_path):
    save(tmp_path, 5, 9)
    for file in (tmp_path / "9").rglob("*"):
        if file.is_file():
            file.write_bytes(b"")
    with pytest.raises(InputError, match=r"9: .*delete this folder"):
        restore_latest(tmp_path, IDENTITY, LIKE)
    shutil.rmtree(tmp_path / "9")
    assert_same(restore_latest(tmp_path, IDENTITY, LIKE), state_of(5))


def test_what_a_kill_left_while_saving_is_not_taken_for_a_checkpoint(tmp_path):
    save(tmp_path, 5)
    leftover = tmp_path / "9.orbax-checkpoint-tmp"
    shutil.copytree(tmp_path / "5", leftover)
    assert_same(restore_latest(tmp_path, IDENTITY, LIKE), state_of(5))
    save(tmp_path, 9)
    assert_same(restore_latest(tmp_path, IDENTITY, LIKE), state_of(9))


def test_an_identity_without_a_later_setting_had_its_earlier_value(tmp_path):
    state = {"w": jnp.ones(3)}
    old = Checkpoints(tmp_path, {"width": 4})
    old.save(1, state)
    old.close()
    for epsilon, refused in ((1e-8, False), (1e-12, True)):
        new = Checkpoints(tmp_path, {"width": 4, "alpha_epsilon": epsilon})
        if refused:
            with pytest.raises(InputError, match="alpha_epsilon is 1e-08 there"):
                new.restore(state)
        else:
            assert new.restore(state) is not None
        new.close()
