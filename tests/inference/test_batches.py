import numpy as np
import pytest

from emrnas_jax.inference.batches import in_batches


@pytest.mark.parametrize("count", [1, 3, 4, 9])
def test_every_frame_comes_back_once_in_its_order(count):
    values = np.arange(count * 2, dtype=np.float32).reshape(count, 2)
    found = in_batches(lambda x, y: {"sum": x + y}, 4, values, 10 * values)
    np.testing.assert_array_equal(found["sum"], 11 * values)


def test_all_batches_have_one_size():
    sizes = []

    def function(x):
        sizes.append(x.shape)
        return x

    in_batches(function, 4, np.zeros((9, 2), np.float32))
    assert sizes == [(4, 2)] * 3


def test_progress_counts_frames_without_the_copies():
    counted = []
    in_batches(lambda x: x, 4, np.zeros((9, 2), np.float32), progress=counted.append)
    assert counted == [4, 4, 1]
