import numpy as np
import pytest

from emrnas_jax.data.readers.scan import Scan


def scan_of(images=None, kspace=None, mask=None):
    numbers = np.arange(2, dtype=np.int32)
    return Scan(("a", "a"), numbers, numbers * 0, images, kspace, mask, 1.0)


KSPACE = np.ones((2, 8, 6), np.complex64)
IMAGES = np.ones((2, 8, 6, 2), np.float32)


def test_the_values_are_the_images_or_kspace():
    assert scan_of(images=IMAGES).values is IMAGES
    assert scan_of(kspace=KSPACE).values is KSPACE
    assert scan_of(images=IMAGES).shape == scan_of(kspace=KSPACE).shape == (8, 6)


@pytest.mark.parametrize(
    "other",
    [
        scan_of(images=IMAGES),
        scan_of(kspace=KSPACE[:, :7]),
        scan_of(kspace=KSPACE, mask=np.ones((2, 8, 1), bool)),
        scan_of(kspace=KSPACE, mask=np.ones((2, 1, 6), bool)),
        scan_of(kspace=KSPACE)._replace(acquired=np.ones((2, 1, 6), bool)),
        scan_of(kspace=KSPACE)._replace(size=(4, 4)),
    ],
)
def test_only_scans_of_one_kind_can_be_joined(other):
    assert scan_of(kspace=KSPACE).kind != other.kind


def test_scans_of_other_values_are_of_one_kind():
    rows = np.ones((2, 8, 1), bool)
    assert (
        scan_of(kspace=KSPACE, mask=rows).kind
        == scan_of(kspace=KSPACE[:1] * 3, mask=~rows[:1]).kind
    )
