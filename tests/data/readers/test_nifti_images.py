import nibabel
import numpy as np
import pytest
from nibabel.nifti1 import Nifti1Image

from emrnas_jax.data.readers.nifti_images import about, geometry, read, takes
from emrnas_jax.errors import InputError

SIZE = (4, 5, 3)


@pytest.fixture
def write(tmp_path):
    def write(values, affine=None, **header):
        image = nibabel.Nifti1Image(values, affine)
        for name, value in header.items():
            getattr(image.header, f"set_{name}")(*value)
        path = tmp_path / "head.nii.gz"
        nibabel.save(image, path)
        return path

    return write


@pytest.fixture
def volume(random):
    return random.integers(0, 900, SIZE).astype(np.int16)


def test_slices_are_planes_of_the_third_axis_with_rows_along_the_second(write, volume):
    path = write(volume)
    found = list(read(path))
    assert [one[:3] for one in found] == [("head", n, 0) for n in range(3)]
    for number, one in enumerate(found):
        assert one.image.dtype == np.float32
        wanted = volume[:, :, number].T / volume.max()
        np.testing.assert_allclose(one.image, wanted, rtol=1e-6)
    assert "slices along the third axis (assumed)" in about(path)


@pytest.mark.parametrize(
    ("axis", "header", "words"),
    [
        (0, {"dim_info": (1, 2, 0)}, "first axis (from the header)"),
        (1, {"zooms": ((1, 4, 1),)}, "second axis (that of the longest voxels)"),
        (2, {"zooms": ((1, 1.1, 1),)}, "third axis (assumed)"),
        # What the header says is believed before the sizes.
        (2, {"zooms": ((1, 4, 1),), "dim_info": (0, 1, 2)}, "third axis (from the he"),
    ],
)
def test_the_axis_of_slices_is_found_and_said(write, volume, axis, header, words):
    path = write(volume, **header)
    found = list(read(path))
    assert len(found) == SIZE[axis]
    wanted = volume.take(1, axis).T / volume.max()
    np.testing.assert_allclose(found[1].image, wanted, rtol=1e-6)
    assert words in about(path)


def test_a_single_slice_is_a_slice_whatever_its_axis(write, volume):
    for shape in ((4, 5), (4, 5, 1), (4, 1, 5)):
        [one] = read(write(volume[:, :, 0].reshape(shape)))
        np.testing.assert_allclose(
            one.image, volume[:, :, 0].T / volume[:, :, 0].max(), rtol=1e-6
        )


def test_the_fourth_axis_is_of_frames_on_one_scale(write, volume):
    path = write(np.stack([volume, 2 * volume], axis=-1))
    found = {one[1:3]: one.image for one in read(path)}
    assert len(found) == 6
    np.testing.assert_allclose(found[1, 1], 2 * found[1, 0], rtol=1e-6)
    assert max(image.max() for image in found.values()) == 1


def test_stored_factors_are_applied(write, volume):
    path = write(volume, slope_inter=(0.5, 3.0))
    stored = np.asarray(Nifti1Image.from_filename(path).dataobj)
    for number, one in enumerate(read(path)):
        np.testing.assert_allclose(
            one.image, stored[:, :, number].T / stored.max(), rtol=1e-5
        )


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_pixels_keep_their_place_whichever_axis_counts_slices(write, volume, axis):
    affine = np.diag([-2.0, 3.0, 4.0, 1.0])
    affine[:3, 3] = 10, -20, 30
    info = [one for one in range(3) if one != axis]
    path = write(volume, affine, dim_info=(*info, axis))
    found = geometry(path)
    assert found.affine is not None
    # Column 2, row 1, slice 0.
    index = np.zeros(3, int)
    index[info[0]], index[info[1]] = 2, 1
    image = next(iter(read(path))).image
    assert image[1, 2] == np.float32(volume[tuple(index)] / volume.max())
    np.testing.assert_allclose(
        found.affine @ [2, 1, 0, 1], affine @ [*index, 1], rtol=1e-6
    )
    sizes = np.array([2, 3, 4.0])[[*info, axis]]
    assert found.size_mm == pytest.approx(sizes)


def test_a_header_without_an_orientation_gives_sizes_alone(write, volume):
    path = write(volume, zooms=((2, 3, 4),))
    found = geometry(path)
    assert found.affine is None
    assert found.size_mm == (2, 3, 4)
    found = geometry(write(volume, zooms=((2, 3, 4),), xyzt_units=("micron",)))
    assert found.size_mm == pytest.approx((0.002, 0.003, 0.004))


def test_the_space_of_an_affine_is_kept(write, volume):
    path = write(volume, np.eye(4), sform=(np.eye(4), 4))
    assert geometry(path).space == 4


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones((2, 3, 4, 5, 2), np.int16), "found the shape"),
        (np.full(SIZE, 1 + 1j, np.complex64), "found complex64; store the magnitude"),
        (np.arange(60).reshape(SIZE) - 30.0, "found values down to -30"),
        (np.eye(4, dtype=np.int16)[None].repeat(3, 0), "as a mask does"),
        (np.full(SIZE, np.nan, np.float32), "NaN"),
    ],
)
def test_what_is_no_magnitude_volume_is_refused(write, values, message):
    path = write(values)
    with pytest.raises(InputError, match=message):
        list(read(path))


def test_volumes_and_masks_of_calgary_are_not_taken(tmp_path):
    for name, taken in (
        ("head.nii", True),
        ("head.nii.gz", True),
        ("CC0001_philips_15_55_M.nii.gz", False),
        ("CC0001_philips_15_55_M_ss.nii.gz", False),
        ("head.gz", False),
    ):
        assert takes(tmp_path / name) == taken
