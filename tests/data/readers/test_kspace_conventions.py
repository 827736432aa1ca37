"""Every convention and norm becomes the package's, and is declared by its own words."""

import numpy as np
import pytest

from emrnas_jax.data.readers.kspace_conventions import (
    ARGUMENT,
    CONFIG,
    CONVENTIONS,
    FLAG,
    NORMS,
    ORDERS,
    Stated,
    Storage,
    stated,
)
from emrnas_jax.errors import InputError

SIZES = [(12, 10), (11, 10), (9, 13)]


def storage(convention="centred", norm="ortho", form=FLAG):
    return Storage(Stated(convention, "assumed"), Stated(norm, "assumed"), form)


def stored(images, convention, norm):
    """k-space as users of a convention compute it with NumPy."""
    axes = (1, 2)
    if convention == "centred":
        images = np.fft.ifftshift(images, axes=axes)
    kspace = np.fft.fft2(images, norm=norm)
    return kspace if convention == "plain" else np.fft.fftshift(kspace, axes=axes)


@pytest.fixture(params=SIZES, ids=str)
def images(request, random):
    parts = random.normal(size=(2, 2, *request.param))
    return parts[0] + 1j * parts[1]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_converted_kspace_is_the_transform_of_the_image_as_it_is_stored(
    convention, norm, images
):
    how = storage(convention, norm)
    found = how.convert(stored(images, convention, norm))
    found = found / how.factor(*images.shape[1:])
    np.testing.assert_allclose(found, np.fft.fft2(images, norm="ortho"), atol=1e-5)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_conversion_keeps_zeros_exactly(convention, images):
    kspace = stored(images, convention, "ortho")
    kspace[:, ::3] = 0
    found = storage(convention).convert(kspace)
    assert np.count_nonzero(found == 0) == np.count_nonzero(kspace == 0)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_zero_frequency_lies_where_its_order_has_it(convention, images):
    kspace = stored(np.ones_like(images), convention, "ortho")
    height, width = images.shape[1:]
    expected = {"first": (0, 0), "middle": (height // 2, width // 2)}
    found = np.unravel_index(np.argmax(np.abs(kspace[0])), (height, width))
    assert found == expected[ORDERS[convention]]


def test_what_the_user_declares_counts_more_than_the_file_and_the_assumption():
    def found(given, in_file):
        return str(stated(given, in_file, "ortho", NORMS, "norm"))

    assert found("backward", "ortho") == "backward (given)"
    assert found("", "backward") == "backward (from the file)"
    assert found(None, "") == "ortho (assumed)"


@pytest.mark.parametrize("given", ["left", ""])
def test_an_unknown_value_is_named_with_the_known_ones(given):
    with pytest.raises(
        InputError, match="scan: norm: found 'left'; use one of ortho, backward"
    ):
        stated(given, "left", "ortho", NORMS, "scan: norm")


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (FLAG, "--kspace_convention=plain"),
        (ARGUMENT, "convention='plain'"),
        (CONFIG, "data.kspace_convention=plain"),
    ],
)
def test_each_road_declares_a_value_in_its_own_words(form, expected):
    assert storage(form=form).option("convention", "plain") == expected


def test_storage_in_words_says_who_states_it():
    how = Storage(Stated("plain", "given"), Stated("backward", "from the file"))
    assert str(how) == "k-space plain (given), norm backward (from the file)"
