import numpy as np
import pytest

from emrnas_jax.data.readers.kspace_conventions import ARGUMENT, Stated, Storage
from emrnas_jax.data.readers.kspace_intensity import (
    norm_warnings,
    require_single_precision,
    scale_warnings,
)
from emrnas_jax.errors import InputError


def storage(norm="ortho", by="assumed"):
    return Storage(Stated("centred", "assumed"), Stated(norm, by))


def test_another_norm_is_named_where_it_fits_images_of_unit_intensity():
    pixels = 256 * 256
    for largest, norm, by, wanted in (
        (0.9, "ortho", "assumed", ""),
        (230.0, "ortho", "assumed", "use --kspace_norm=backward, else --kspace_norm="),
        (230.0, "ortho", "given", "use --kspace_norm=backward"),
        (0.9 / 256, "backward", "given", "use --kspace_norm=ortho"),
        (0.9, "backward", "given", ""),
        (1e-6, "ortho", "assumed", ""),
        (3e4, "ortho", "assumed", ""),
    ):
        found = norm_warnings(largest, pixels, storage(norm, by))
        assert bool(found) == bool(wanted)
        assert all(wanted in warning for warning in found)


def test_a_scanners_scale_and_small_images_say_nothing_about_the_norm():
    assert norm_warnings(230.0, 256 * 256, storage())
    assert not norm_warnings(230.0, 256 * 256, storage(), any_scale=True)
    assert not norm_warnings(8.0, 16 * 16, storage())


def test_a_warning_names_the_argument_where_that_declares_the_norm():
    stated = storage()._replace(form=ARGUMENT)
    [warning] = norm_warnings(230.0, 256 * 256, stated)
    assert "use norm='backward', else norm='ortho'" in warning


def test_a_scale_far_from_the_intensities_gives_a_warning():
    assert not scale_warnings(2.0, 3.0, "scale")
    for scale in (1e-3, 1e3):
        [warning] = scale_warnings(scale, 1.0, "scale")
        assert f"scale={scale:g}, and the zero-filled images reach 1;" in warning


@pytest.mark.parametrize("scale", [1e60, 1e-60, 0.0, np.nan, np.inf])
def test_intensities_beyond_single_precision_are_refused(scale):
    require_single_precision(1e-6, "file")
    with pytest.raises(InputError, match=r"file: .*divide k-space by"):
        require_single_precision(float(scale), "file")
