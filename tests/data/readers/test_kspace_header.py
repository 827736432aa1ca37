"""The numbers of an ISMRMRD header, and what they say of lines and of the image."""

from xml.etree.ElementTree import ParseError

import numpy as np
import pytest

from emrnas_jax.data.readers.kspace_header import (
    acquired_lines,
    image_size,
    parse_header,
)


def test_a_header_is_read_whatever_its_namespace(scanner):
    text = scanner.header((80, 40), (40, 36), last=37, centre=19, slices=3)
    for form in (text, text.encode(), text.replace("http://www.ismrm.org", "other")):
        header = parse_header(form)
        assert header.encoded == (80, 40, 1)
        assert header.image == (40, 36, 1)
        assert header.lines[0] == (37, 19)
        assert header.lines[1] == (None, None)
        assert header.slices == header.frames == 3
        assert header.readout == 40


def test_a_header_without_an_encoding_states_nothing():
    header = parse_header("<ismrmrdHeader/>")
    assert header.encoded == (1, 1, 1)
    assert header.slices is None
    with pytest.raises(ParseError):
        parse_header("<ismrmrdHeader>")


@pytest.mark.parametrize(
    ("lines", "last", "centre"), [(57, 46, 23), (57, 49, 28), (40, 39, 20), (41, 35, 9)]
)
def test_acquired_lines_are_those_that_fastmri_leaves_in_its_mask(
    lines, last, centre, scanner
):
    """The left and right of `mask[:left] = 0; mask[right:] = 0` in fastMRI."""
    left = lines // 2 - centre
    right = left + last + 1
    expected = np.ones(lines, bool)
    expected[: max(left, 0)] = expected[right:] = False
    header = parse_header(scanner.header((64, lines), last=last, centre=centre))
    np.testing.assert_array_equal(acquired_lines(header), expected)
    # The zero frequency is the centre, so it is always acquired.
    assert acquired_lines(header)[lines // 2]


@pytest.mark.parametrize(("last", "centre"), [(57, 28), (20, 21)])
def test_a_header_that_contradicts_itself_is_noticed(last, centre, scanner):
    header = parse_header(scanner.header((64, 57), last=last, centre=centre))
    with pytest.raises(ValueError, match=f"57 lines, .* to {last} .* at {centre}"):
        acquired_lines(header)


@pytest.mark.parametrize(
    ("encoded_mm", "image", "mm", "expected"),
    [
        ((640, 368), (320, 320), (320, 320), (320, 320)),  # both are cut, as fastMRI's
        ((640, 368), (320, 640), (320, 368), (320, 368)),  # columns are interpolated
        ((640, 368), (320, 400), (320, 400), (320, 368)),  # narrower than the image
        ((0, 0), (320, 320), (0, 0), (320, 320)),  # no fields of view
        ((640, 368), (640, 368), (320, 368), (640, 368)),  # rows are interpolated
    ],
)
def test_the_image_is_cut_where_its_pixels_keep_their_size(
    encoded_mm, image, mm, expected, scanner
):
    text = scanner.header((640, 368), image, encoded_mm=encoded_mm, mm=mm)
    assert image_size(parse_header(text))[:2] == expected
