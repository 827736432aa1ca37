"""Lines of a training: the first epoch soon, then at most one a minute."""

from itertools import pairwise

import pytest

from emrnas_jax.machine.progress import SECONDS_BETWEEN_LINES
from emrnas_jax.training.epoch_lines import EpochLines


@pytest.fixture
def train(said, clock):
    """Run epochs of calls of one step, each of which takes some seconds.

    Returns the lines, each with the second at which it was said.
    """

    def make(epochs, per_epoch, seconds_of, phase_of=lambda epoch: "retrain", start=0):  # noqa: ARG005
        lines = EpochLines("toy", epochs * per_epoch, per_epoch, start, clock)
        found = []
        for step in range(start + 1, epochs * per_epoch + 1):
            clock.seconds += seconds_of(step)
            lines.step_done(step)
            if step % per_epoch == 0:
                epoch = step // per_epoch
                row = {"phase": phase_of(epoch), "train_loss": 1 / epoch}
                lines.epoch_done(epoch, row)
            found += [(clock.seconds, line) for line in said]
            said.clear()
        return found

    return make


def test_the_first_epoch_has_a_line_and_later_ones_wait_for_the_minute(train):
    found = train(epochs=100, per_epoch=10, seconds_of=lambda step: 1.0)  # noqa: ARG005
    assert found[0] == (
        10.0,
        "toy: epoch 1 of 100 (retrain), training loss 1, about 16 min left at this "
        "speed",
    )
    times = [time for time, _ in found]
    assert times == [10.0 + 60 * i for i in range(17)]


def test_epochs_longer_than_a_minute_have_a_line_each(train):
    found = train(epochs=4, per_epoch=100, seconds_of=lambda step: 1.0)  # noqa: ARG005
    assert [line.split(",")[0] for _, line in found] == [
        "toy: step 60 of 400",
        "toy: epoch 1 of 4 (retrain)",
        "toy: epoch 2 of 4 (retrain)",
        "toy: epoch 3 of 4 (retrain)",
        "toy: epoch 4 of 4 (retrain)",
    ]
    assert found[0][1].endswith("about 6 min left at this speed")
    assert "left" not in found[-1][1]


def test_compiling_does_not_count_in_the_time_that_is_left(train):
    found = train(
        epochs=30, per_epoch=2, seconds_of=lambda step: 500.0 if step == 1 else 1.0
    )
    assert found[0] == (500.0, "toy: step 1 of 60")
    assert found[1][1].endswith("about 58 s left at this speed")


def test_a_first_epoch_of_one_call_is_followed_by_one_that_tells_the_time(train):
    found = train(
        epochs=30, per_epoch=1, seconds_of=lambda step: 40.0 if step == 1 else 1.0
    )
    assert [time for time, _ in found] == [40.0, 41.0]
    assert "left" not in found[0][1]
    assert found[1][1].endswith("about 28 s left at this speed")


def test_a_new_phase_has_a_line_and_its_own_speed(train):
    found = train(
        epochs=6,
        per_epoch=10,
        seconds_of=lambda step: 1.0 if step <= 30 else 2.0,
        phase_of=lambda epoch: "warm-up" if epoch <= 3 else "search",
    )
    assert [(time, line.split(",")[0]) for time, line in found] == [
        (10.0, "toy: epoch 1 of 6 (warm-up)"),
        (50.0, "toy: epoch 4 of 6 (search)"),
    ]
    assert found[1][1].endswith("about 40 s left at this speed")


def test_a_continued_training_tells_its_first_epoch(train):
    found = train(epochs=3, per_epoch=10, seconds_of=lambda step: 1.0, start=15)  # noqa: ARG005
    assert found == [
        (
            5.0,
            "toy: epoch 2 of 3 (retrain), training loss 0.5, about 10 s left at this "
            "speed",
        )
    ]


def test_a_line_tells_the_losses_and_the_psnr_of_its_row(said, clock):
    lines = EpochLines("fold 1 dccnn", 20, 10, clock=clock)
    clock.seconds = 5.0
    lines.step_done(10)
    row = {"epoch": 1, "train_loss": 0.012345, "validation_loss": 0.2, "entropy": 2.0}
    lines.epoch_done(1, row | {"train_psnr_db": 21.456})
    assert said == [
        "fold 1 dccnn: epoch 1 of 2, training loss 0.0123, validation loss 0.2, "
        "training PSNR 21.46 dB"
    ]


def test_there_is_at_most_a_line_a_minute_however_fast_the_epochs_are(train):
    found = train(epochs=10_000, per_epoch=3, seconds_of=lambda step: 0.1)  # noqa: ARG005
    times = [time for time, _ in found]
    gaps = [after - before for before, after in pairwise(times)]
    assert min(gaps) >= SECONDS_BETWEEN_LINES
    assert len(found) > 40
