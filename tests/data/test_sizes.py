"""Images that keep their own sizes, and the few sizes that are left of many."""

import logging

import numpy as np
import pytest

from emrnas_jax.data.dataset import open_dataset
from emrnas_jax.data.sizes import few_sizes, most_frequent
from emrnas_jax.errors import InputError

# Three subjects of 12 x 10, one each of 12 x 16, 14 x 10 and 9 x 10.
SIZES = [(12, 10), (12, 10), (12, 16), (14, 10), (12, 10), (9, 10)]
OWN = {"height": 0, "width": 0}


@pytest.fixture
def several(tmp_path, write, random):
    """Write a folder with two images of each subject; return it and the levels."""

    def make(sizes=SIZES):
        folder = tmp_path / "several"
        folder.mkdir()
        levels = [random.integers(0, 256, (2, *size), np.uint8) for size in sizes]
        for number, images in enumerate(levels):
            write.hdf5(folder, f"subject_{number}.h5", images=images)
        return folder, levels

    return make


def test_images_keep_their_own_sizes(several, settings):
    folder, levels = several()
    images = open_dataset(settings(folder, **OWN))
    assert images.shapes == ((12, 10), (12, 16), (14, 10), (9, 10))
    assert images.shape == (12, 10)
    numbers = [images.shapes.index(size) for size in SIZES]
    np.testing.assert_array_equal(images.shape_numbers, np.repeat(numbers, 2))
    for subject, expected in enumerate(levels):
        found = images.images([2 * subject, 2 * subject + 1])
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(images[2 * subject], expected[0])


def test_frames_are_found_by_their_size_in_their_order(several, settings):
    images = open_dataset(settings(several()[0], **OWN))
    found = images.of_each_shape(np.array([11, 0, 4, 9, 1]))
    expected = {(12, 10): [1, 3, 4], (12, 16): [2], (9, 10): [0]}
    assert {shape: own.tolist() for shape, own in found.items()} == expected


def test_images_of_several_sizes_are_not_one_array(several, settings):
    images = open_dataset(settings(several()[0], **OWN))
    with pytest.raises(ValueError, match="several sizes"):
        images.images([0, 4])


def test_one_side_alone_may_be_the_images_own(several, settings):
    folder, levels = several()
    images = open_dataset(settings(folder, height=0))
    assert images.shapes == ((12, 10), (14, 10), (9, 10))
    np.testing.assert_array_equal(images[4], levels[2][0, :, 3:13])


def test_own_sizes_are_lowered_to_whole_blocks(several, settings):
    folder, levels = several([(13, 10), (12, 11)])
    images = open_dataset(settings(folder, **OWN, downsample=4))
    assert images.shapes == ((3, 2),)
    cut = levels[1][0, :, 1:9] / 255
    expected = cut.reshape(3, 4, 2, 4).mean((1, 3))
    np.testing.assert_allclose(images[2], expected, rtol=1e-6)


def test_where_all_sizes_are_alike_the_cut_is_as_if_it_was_named(scans, settings):
    own, named = (open_dataset(settings(scans[0], **o)) for o in (OWN, {}))
    assert own.summary() == named.summary()
    np.testing.assert_array_equal(own.images([3, 5]), named.images([3, 5]))
    assert "sizes" not in own.summary()


def test_the_summary_names_all_sizes(several, settings):
    images = open_dataset(settings(several()[0], **OWN))
    found = images.summary()
    assert (found["height"], found["width"]) == (12, 10)
    assert found["sizes"] == "12 x 10 (6), 12 x 16 (2), 14 x 10 (2), 9 x 10 (2)"


def test_rare_sizes_are_cut_to_the_largest_frequent_one_that_fits(
    several, settings, caplog
):
    folder, levels = several([(9, 10), (9, 10), (12, 10), (12, 10), (14, 16), (9, 12)])
    with caplog.at_level(logging.WARNING, "emrnas_jax"):
        images = open_dataset(settings(folder, **OWN, sizes=2))
    assert images.shapes == ((12, 10), (9, 10))
    np.testing.assert_array_equal(images[8], levels[4][0, 1:13, 3:13])
    np.testing.assert_array_equal(images[10], levels[5][0, :, 1:11])
    assert caplog.messages == [
        "data.sizes=2: 2 images of 14 x 16 pixels are cut to 12 x 10; "
        "2 images of 9 x 12 pixels are cut to 9 x 10"
    ]


def test_an_image_that_is_smaller_than_all_kept_sizes_is_named(several, settings):
    folder, _ = several()
    message = (
        r"subject subject_5, slice 0: 9 x 10 pixels are less than all of the most "
        r"frequent sizes, 12 x 10, 12 x 16; set data\.sizes to at least 4"
    )
    with pytest.raises(InputError, match=message):
        open_dataset(settings(folder, **OWN, sizes=2))
    assert len(open_dataset(settings(folder, **OWN, sizes=4)).shapes) == 4


def test_an_image_smaller_than_a_block_is_named(several, settings):
    with pytest.raises(InputError, match=r"subject_0, .*: found 12 x 10 .*downsample"):
        open_dataset(settings(several()[0], **OWN, downsample=11))


def test_the_most_frequent_sizes_come_first_and_of_equals_the_largest():
    sizes = np.array([[2, 3], [9, 9], [2, 4], [9, 9], [4, 4], [2, 4]])
    found, numbers, counts = most_frequent(sizes)
    np.testing.assert_array_equal(found, [[9, 9], [2, 4], [4, 4], [2, 3]])
    np.testing.assert_array_equal(found[numbers], sizes)
    np.testing.assert_array_equal(counts, [2, 2, 1, 1])


def test_kept_sizes_stay_and_others_get_smaller_within_the_bound(random):
    for most in (1, 2, 3, 5):
        sizes = random.integers(4, 9, (40, 2))
        kept, cuts, enough = few_sizes(sizes, most)
        assert len(kept) <= most
        rows = {tuple(row) for row in kept.tolist()}
        for own, cut in zip(sizes.tolist(), cuts.tolist(), strict=True):
            # By hand: the largest kept size that is nowhere larger than the image.
            fitting = [s for s in rows if s[0] <= own[0] and s[1] <= own[1]]
            if not fitting:
                assert cut == [0, 0]
                continue
            assert cut[0] * cut[1] == max(s[0] * s[1] for s in fitting)
            assert tuple(cut) in fitting
        assert (few_sizes(sizes, enough)[1] > 0).all()
        assert enough == 1 or (few_sizes(sizes, enough - 1)[1] == 0).any()
