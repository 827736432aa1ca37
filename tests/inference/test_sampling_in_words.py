import numpy as np
import pytest

from emrnas_jax.inference.sampling_in_words import describe_mask, noise_level

ROWS, COLUMNS = 64, 48


def lines(measured, rows=False):
    """A mask of lines, zero frequency first; `measured` has it in the middle."""
    own = np.fft.ifftshift(measured)
    wide = np.broadcast_to(own[:, None] if rows else own, (len(own), len(own)))
    return wide.copy()


@pytest.mark.parametrize("rows", [True, False])
@pytest.mark.parametrize("every", [2, 3, 4])
def test_equispaced_lines_are_told_with_their_spacing(every, rows):
    line = np.arange(48)
    centre = np.abs(line - 24) < 4
    mask = lines((line % every == 1) | centre, rows)
    name = "rows" if rows else "columns"
    found = describe_mask(mask)
    assert found.startswith(f"{mask.mean():.1%} measured, acceleration ")
    assert f": one of {every} {name}, " in found
    assert f"acceleration {1 / mask.mean():.2g}:" in found


def test_random_lines_low_frequencies_and_scattered_samples_are_told_apart(random):
    line = np.arange(48)
    centre = np.abs(line - 24) < 4
    found = describe_mask(lines((random.random(48) < 0.25) | centre))
    assert ": random columns, " in found
    assert describe_mask(lines(centre)).endswith(
        "neighbouring columns, 7 in the centre"
    )
    samples = random.random((ROWS, COLUMNS)) < 0.2
    samples[28:36, 20:28] = True
    found = describe_mask(np.fft.ifftshift(samples))
    assert "scattered samples" in found
    rows, columns = map(int, found.split(", ")[2].split(" in ")[0].split(" x "))
    assert rows >= 8
    assert columns >= 8


@pytest.mark.parametrize("deviation", [0.01, 0.2])
def test_noise_is_that_of_the_highest_frequencies(deviation, scanner, random):
    kspace = np.fft.ifftshift(scanner.centred(np.ones((1, ROWS, COLUMNS))), (1, 2))
    parts = random.normal(0, deviation, (2, 4, ROWS, COLUMNS))
    noisy = (kspace + parts[0] + 1j * parts[1]).astype(np.complex64)
    mask = np.ones((ROWS, COLUMNS), bool)
    assert noise_level(noisy, mask) == pytest.approx(deviation, rel=0.1)
    mask[:, ::2] = False
    assert noise_level(noisy * mask, mask) == pytest.approx(deviation, rel=0.1)
    mask[:] = False
    mask[:4, :4] = True
    assert noise_level(noisy, mask) is None
