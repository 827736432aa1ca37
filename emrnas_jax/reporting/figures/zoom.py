"""Which part of a frame is shown enlarged, as in the paper's red boxes."""

import re
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from emrnas_jax.errors import InputError

OFF = "off"
PART = 4  # a window that is found has a quarter of the frame's shorter side


class Window(NamedTuple):
    """A square part of a frame: its first row and column, and its side in pixels."""

    row: int
    column: int
    side: int

    def of(self, image: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "side side"]:
        """The window's part of `image`."""
        rows = slice(self.row, self.row + self.side)
        return image[rows, self.column : self.column + self.side]


def read_zoom(text: object) -> Window | None:
    """Return the window that the setting `report.zoom` chooses.

    Args:
        text: ROW,COLUMN,SIDE in pixels. What chooses no window, "" and "off", is None.

    Raises:
        InputError: the text is none of these.
    """
    if text in ("", OFF):
        return None
    match = re.fullmatch(r"\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*", str(text))
    if match is None or int(match[3]) < 2:
        raise InputError(
            f"report.zoom: found {text!r}; give ROW,COLUMN,SIDE in pixels, such as "
            f'60,80,64, "{OFF}", or "" for a window that is found'
        )
    return Window(*(int(number) for number in match.groups()))


def window_for(
    text: object,
    target: Float[np.ndarray, "height width"],
    errors: Float[np.ndarray, "network height width"],
) -> Window | None:
    """Return the part of a frame to enlarge, the same for all its panels; or None.

    Args:
        text: the setting `report.zoom`.
        target: intensity in [0, 1].
        errors: absolute errors of the networks.

    Raises:
        InputError: the setting cannot be read, or its window leaves the frame.
    """
    if text == OFF:
        return None
    chosen = read_zoom(text)
    if chosen is None:
        return find_window(target, errors)
    # Only here is the size of the frames known.
    height, width = target.shape
    if chosen.row + chosen.side > height or chosen.column + chosen.side > width:
        raise InputError(
            f"report.zoom: {text} leaves the frame of {height} x {width} pixels; give "
            "ROW,COLUMN,SIDE of a square within it"
        )
    return chosen


def find_window(
    target: Float[np.ndarray, "height width"],
    errors: Float[np.ndarray, "network height width"],
) -> Window:
    """Find where the networks err most on bright anatomy; the first of equal ones."""
    height, width = target.shape
    side = min(max(min(height, width) // PART, 2), height, width)
    mean = np.nan_to_num(errors.mean(axis=0), posinf=0.0)  # of a network that diverged
    filtered = ndimage.uniform_filter(mean * target, side, mode="constant")
    # The filter's window around a pixel starts side // 2 before it.
    inside = filtered[side // 2 :, side // 2 :]
    inside = inside[: height - side + 1, : width - side + 1]
    row, column = np.unravel_index(int(np.argmax(inside)), inside.shape)
    return Window(int(row), int(column), side)
