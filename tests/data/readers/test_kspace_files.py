import h5py
import numpy as np
import pytest

from emrnas_jax.data.readers.kspace_files import CONVENTIONS, load_kspace
from emrnas_jax.errors import InputError


@pytest.fixture
def image(random):
    """Two complex images of 12 x 9, brighter than their noise: k-space has a peak."""
    noise = random.normal(size=(2, 2, 12, 9))
    return 5 + noise[0] + 1j * noise[1]


def stored(image, convention):
    """k-space as each convention's users compute it."""
    axes = {"axes": (-2, -1)}
    if convention == "centred":
        image = np.fft.ifftshift(image, **axes)
    kspace = np.fft.fft2(image, norm="ortho")
    return kspace if convention == "plain" else np.fft.fftshift(kspace, **axes)


def close_to_plain(found, image):
    kspace = np.fft.fft2(image, norm="ortho")
    plain = found.plain
    np.testing.assert_allclose(plain.values * plain.largest, kspace, atol=2e-5)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("suffix", [".h5", ".npz"])
def test_every_convention_becomes_the_packages(
    convention, suffix, image, tmp_path, write
):
    kspace = stored(image, convention)
    path = tmp_path / f"scan{suffix}"
    if suffix == ".h5":
        write.hdf5(
            tmp_path, attributes={"kspace_convention": convention}, kspace=kspace
        )
    else:
        np.savez(path, kspace=kspace, kspace_convention=convention)
    close_to_plain(load_kspace(path), image)


def test_files_that_say_nothing_are_centred_as_fastmris(image, tmp_path):
    path = tmp_path / "scan.npz"
    np.savez(path, kspace=stored(image, "centred"))
    close_to_plain(load_kspace(path), image)


def test_the_users_convention_counts_more_than_the_files(image, tmp_path):
    path = tmp_path / "scan.npz"
    np.savez(path, kspace=stored(image, "plain"), kspace_convention="centred")
    close_to_plain(load_kspace(path, "plain"), image)


def test_kspace_that_is_visibly_not_centred_is_refused_unless_told(image, tmp_path):
    path, image = tmp_path / "scan.npz", np.tile(image, (1, 2, 2))
    np.savez(path, kspace=stored(image, "plain"))
    with pytest.raises(InputError, match="--kspace_convention=plain"):
        load_kspace(path)
    close_to_plain(load_kspace(path, "plain"), image)


@pytest.mark.parametrize(
    "form", ["parts", "integers", "r_i", "real_imag", "single coil", "one frame"]
)
def test_every_way_to_store_complex_values_is_read(form, image, tmp_path):
    kspace = stored(image, "plain")
    if form == "parts":
        values = np.stack([kspace.real, kspace.imag], axis=-1)
    elif form == "integers":
        values = np.round(np.stack([kspace.real, kspace.imag], -1) * 100)
        kspace = (values[..., 0] + 1j * values[..., 1]) / 100
        image, values = np.fft.ifft2(kspace, norm="ortho"), values.astype(np.int16)
    elif form == "single coil":
        values = kspace[:, None]
    elif form == "one frame":
        values, image = kspace[0], image[:1]
    else:
        values = np.empty(kspace.shape, [(name, "f4") for name in form.split("_")])
        for name, part in zip(form.split("_"), (kspace.real, kspace.imag), strict=True):
            values[name] = part
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["kspace"] = values
    found = load_kspace(tmp_path / "scan.h5", "plain")
    if form == "integers":
        image = image * 100
    close_to_plain(found, image)


def test_a_mask_has_the_order_of_the_kspace_beside_it(image, tmp_path):
    lines = np.arange(9) < 3
    for convention, wanted in (("plain", lines), ("centred", np.fft.ifftshift(lines))):
        path = tmp_path / f"{convention}.npz"
        np.savez(path, kspace=stored(image, convention), mask=lines.astype(np.uint8))
        mask = load_kspace(path, convention).mask
        assert mask is not None
        np.testing.assert_array_equal(mask, wanted)


@pytest.mark.parametrize("by", ["file", "user"])
def test_kspace_of_numpys_default_norm_becomes_orthonormal(by, image, tmp_path, write):
    kspace = np.fft.fft2(image)
    attributes = {"kspace_convention": "plain", "kspace_norm": "backward"}
    if by == "user":
        attributes = {}
    path = write.hdf5(tmp_path, attributes=attributes, kspace=kspace)
    convention, norm = ("plain", "backward") if by == "user" else ("", "")
    found = load_kspace(path, convention, norm)
    close_to_plain(found, image)
    words = {"file": "from the file", "user": "given"}[by]
    expected = f"k-space plain ({words}), norm backward ({words})"
    assert str(found.plain.storage) == expected


@pytest.mark.parametrize("by", ["file", "user"])
@pytest.mark.parametrize(
    ("axes", "order"),
    [
        ("", (0, 1, 2, 3)),
        ("frame,coil,row,column", (0, 1, 2, 3)),
        ("row,column,coil,frame", (2, 3, 1, 0)),
        ("coil, column, row", (1, 3, 2)),
    ],
)
def test_axes_of_any_order_become_frame_coil_row_column(
    axes, order, by, random, tmp_path, write
):
    noise = random.normal(size=(2, 1, 3, 12, 9))
    coils = 5 + noise[0] + 1j * noise[1]
    kspace = stored(coils, "centred")
    if len(order) == 3:
        kspace, order = kspace[0], tuple(axis - 1 for axis in order)
    attributes = {"kspace_axes": axes} if by == "file" else {}
    path = write.hdf5(tmp_path, attributes=attributes, kspace=kspace.transpose(order))
    found = load_kspace(path, axes=axes if by == "user" else "")
    assert found.plain.values.shape == (1, 3, 12, 9)
    close_to_plain(found, coils)


@pytest.mark.parametrize("suffix", [".h5", ".npz"])
@pytest.mark.parametrize("each", [True, False])
def test_coil_maps_beside_kspace_are_normalised(each, suffix, random, tmp_path, write):
    parts = random.normal(size=(4, 2, 3, 12, 9))
    coils, maps = 5 + parts[0] + 1j * parts[1], parts[2] + 1j * parts[3]
    arrays = {"kspace": stored(coils, "centred"), "maps": maps if each else maps[0]}
    path = tmp_path / f"scan{suffix}"
    if suffix == ".h5":
        write.hdf5(tmp_path, **arrays)
    else:
        np.savez(path, **arrays)
    found = load_kspace(path).coil_maps
    assert found is not None
    wanted = maps / np.linalg.norm(maps, axis=1, keepdims=True)
    np.testing.assert_allclose(found, wanted if each else wanted[[0, 0]], atol=1e-5)


def test_maps_of_other_coils_or_axes_are_refused(random, tmp_path, write):
    kspace = 5 + random.normal(size=(2, 3, 12, 9)) + 0j
    for maps, message in (
        (np.ones((4, 12, 9), complex), r"coil maps: .*\(1, 4, 12, 9\).*3 coils"),
        (np.ones((3, 12, 9, 2, 1), complex), r"`maps` has the shape.*estimated"),
        (np.full((3, 12, 9), np.nan + 0j), "coil maps: found NaN"),
        (np.ones((3, 12, 9)), "`maps`: expected complex coil maps, found float64"),
    ):
        path = write.hdf5(tmp_path, kspace=kspace, maps=maps)
        with pytest.raises(InputError, match=message):
            load_kspace(path, "plain")
    # One coil is its own image, whatever map is stored beside it.
    ones = np.ones((1, 12, 9), complex)
    path = write.hdf5(tmp_path, kspace=kspace[:, :1], maps=ones)
    assert load_kspace(path, "plain").coil_maps is None


def test_one_coil_on_an_axis_of_its_own_is_no_coil_axis(image, tmp_path, write):
    path = write.hdf5(tmp_path, kspace=stored(image, "centred")[:, None])
    close_to_plain(load_kspace(path), image)


def test_a_scanners_header_is_noticed(image, tmp_path, write):
    kspace = stored(image, "centred")
    path = write.hdf5(tmp_path, kspace=kspace, ismrmrd_header="<ismrmrdHeader/>")
    assert load_kspace(path).from_scanner
    assert not load_kspace(write.hdf5(tmp_path, kspace=kspace)).from_scanner


def test_scales_beyond_float32_are_kept(image, tmp_path):
    path = tmp_path / "scan.npz"
    np.savez(path, kspace=stored(image, "centred") * 1e60)
    found = load_kspace(path)
    assert found.plain.largest > 1e59
    assert np.isfinite(found.plain.values).all()


BAD = {
    "wrong variable": ({"data": np.ones((4, 4), complex)}, "array `kspace`"),
    "rank": ({"kspace": np.ones(4, complex)}, r"\[frame, row, column\]"),
    "empty": ({"kspace": np.ones((0, 4, 4), complex)}, r"\[frame, row, column\]"),
    "five axes": (
        {"kspace": np.ones((1, 2, 3, 4, 4), complex)},
        r"\[frame, coil, row, column\].*SKM-TEA's are slice,row,column,frame,coil",
    ),
    "unknown axis": (
        {"kspace": np.ones((4, 4), complex), "kspace_axes": "row,time"},
        "the axes 'row,time'.*frame, coil, row, column",
    ),
    "axis twice": (
        {"kspace": np.ones((4, 4, 4), complex), "kspace_axes": "row,column,row"},
        "the axes 'row,column,row'",
    ),
    "number of axes": (
        {"kspace": np.ones((4, 4), complex), "kspace_axes": "coil,row,column"},
        "found 2 axes.*names 3",
    ),
    "real": ({"kspace": np.ones((2, 4, 4))}, "complex values"),
    "words": ({"kspace": np.array(["a", "b"])}, "complex values"),
    "NaN": ({"kspace": np.full((4, 4), np.nan + 0j)}, "NaN"),
    "infinite": ({"kspace": np.full((4, 4), np.inf + 0j)}, "infinite"),
    "zeros": ({"kspace": np.zeros((4, 4), complex)}, "nothing but zeros"),
    "convention": (
        {"kspace": np.ones((4, 4), complex), "kspace_convention": "left"},
        "kspace_convention: found 'left'",
    ),
    "mask values": (
        {"kspace": np.ones((4, 4), complex), "mask": np.full(4, 0.5)},
        "only 0 and 1",
    ),
    "mask empty": (
        {"kspace": np.ones((4, 4), complex), "mask": np.zeros(4)},
        "marks nothing",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_named_with_what_is_wrong(case, tmp_path):
    arrays, message = BAD[case]
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=message) as caught:
        load_kspace(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", [".h5", ".npz"])
def test_a_truncated_file_is_refused(suffix, image, tmp_path, write):
    path = tmp_path / f"scan{suffix}"
    if suffix == ".h5":
        write.hdf5(tmp_path, kspace=image)
    else:
        np.savez(path, kspace=image)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(InputError, match="damaged"):
        load_kspace(path)
