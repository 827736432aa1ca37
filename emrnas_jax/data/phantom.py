"""Phantoms made on the fly: hearts that beat and heads that nod, all different.

They are no anatomy, but have all that a reconstruction network learns from: sharp edges
between smooth regions, texture, structures that change from slice to slice and from
frame to frame, and, for complex images, a smooth phase. Lengths are in half image
sides, x to the right and y down. An image is painted from back to front, each tissue
over the earlier.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.random import Generator
from scipy.ndimage import gaussian_filter

from emrnas_jax.data.readers.source import NamedImage, require_whole
from emrnas_jax.errors import InputError

MIDDLE = (0.0, 0.0)

# The least value of each numeric setting.
LEAST = {"subjects": 1, "slices": 1, "frames": 1, "size": 16, "seed": 0}


@dataclass(frozen=True)
class PhantomSettings:
    """The kind, number and size of the phantoms; one config section.

    Attributes:
        kind: heart (short-axis slices, beating) or head (axial slices, nodding).
        subjects: number of subjects.
        slices: number of slices per subject, from base to apex of the heart, or from
            low to high in the head.
        frames: number of frames per slice, spread evenly over one heartbeat or nod.
        size: height and width, pixels.
        seed: seed of everything drawn. Subject k is the same however many there are.
    """

    kind: str = "heart"
    subjects: int = 12
    slices: int = 3
    frames: int = 10
    size: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in PAINTERS:
            raise InputError(
                f"phantom.kind: found {self.kind!r}; known are {', '.join(PAINTERS)}"
            )
        for name, least in LEAST.items():
            require_whole(f"phantom.{name}", getattr(self, name), least)


class Canvas(NamedTuple):
    """The properties that all images of one slice share.

    Attributes:
        x, y: coordinates of the pixels, -1 to 1.
        texture: texture of tissue, mean 0, standard deviation 1.
        shading: sensitivity of a receiver at the chest or forehead, at most 1.
        phase: smooth phase of complex images, radians.
    """

    x: Float[np.ndarray, "size size"]
    y: Float[np.ndarray, "size size"]
    texture: Float[np.ndarray, "size size"]
    shading: Float[np.ndarray, "size size"]
    phase: Float[np.ndarray, "size size"]


def subject_images(
    settings: PhantomSettings, complex_valued: bool, number: int
) -> Iterator[NamedImage]:
    """Yield the images of subject `number`, counted from 0.

    They are uint8 grey levels, or complex64 of the same magnitudes before rounding.
    """
    paint = PAINTERS[settings.kind]
    for slice_ in range(settings.slices):
        # One canvas per slice: texture and phase stay while the anatomy moves.
        canvas = draw_canvas(
            np.random.default_rng([settings.seed, number, slice_ + 1]), settings.size
        )
        depth = slice_ / max(settings.slices - 1, 1)
        for frame in range(settings.frames):
            # The same seed for all images of a subject: one anatomy.
            anatomy = np.random.default_rng([settings.seed, number])
            levels = paint(anatomy, canvas, depth, frame / settings.frames)
            levels = levels * canvas.shading * (1 + 0.08 * canvas.texture)
            magnitude = np.clip(levels, 0, 1)
            if complex_valued:
                image = (magnitude * np.exp(1j * canvas.phase)).astype(np.complex64)
            else:
                image = np.round(magnitude * 255).astype(np.uint8)
            yield NamedImage(f"{settings.kind}{number:03d}", slice_, frame, image)


def draw_canvas(random: Generator, size: int) -> Canvas:
    """Draw the texture, shading and phase of one slice."""
    middles = (2 * np.arange(size) + 1) / size - 1
    y, x = np.meshgrid(middles, middles, indexing="ij")
    # Two scales, because the texture of tissue has no single one.
    coarse, fine = (
        gaussian_filter(random.standard_normal((size, size)), sigma, mode="wrap")
        for sigma in (size / 40, max(size / 170, 0.7))
    )
    texture = coarse / coarse.std() + fine / fine.std()
    shading = np.exp(-random.uniform(0.1, 0.4) * (y + 1) - 0.1 * x**2)
    ramp_x, ramp_y, bowl, twist, offset = random.normal(0, [1.5, 1.5, 1, 1, 2])
    phase = offset + ramp_x * x + ramp_y * y + bowl * (x**2 + y**2) + twist * x * y
    return Canvas(x, y, texture / texture.std(), shading, phase)


def heart(
    anatomy: Generator, canvas: Canvas, depth: float, moment: float
) -> Float[np.ndarray, "size size"]:
    """Paint a short-axis slice of the chest.

    Args:
        anatomy: random generator of the subject.
        canvas: pixels to paint on.
        depth: 0 at the base of the heart, 1 near the apex.
        moment: part of the heartbeat gone by; filled at 0, contracted at 0.4.
    """
    uniform = anatomy.uniform
    fat, muscle, blood, liver = uniform([0.7, 0.25, 0.65, 0.35], [1, 0.4, 0.9, 0.5])
    wall_level, lung = uniform([0.12, 0.02], [0.22, 0.08])
    body, tilt = uniform([0.84, 0.66], [0.96, 0.8]), uniform(-0.2, 0.2)
    rim, girth = uniform(0.05, 0.12), uniform(0.95, 1.05)
    radius, wall, ejection = uniform([0.15, 0.06, 0.25], [0.21, 0.1, 0.45])
    centre, axis = uniform([0, -0.15], [0.2, 0.05]), uniform(2.6, 3.6)
    vessels = uniform([-0.75, -0.45, 0.008], [0.75, 0.35, 0.025], (24, 3))

    body = body * (1 + (girth - 1) * depth)
    inside = blob(canvas, MIDDLE, body - rim, tilt)
    image = blend(np.zeros_like(canvas.x), blob(canvas, MIDDLE, body, tilt), fat)
    image = blend(image, inside, muscle)
    for side in (-1, 1):
        cavity = blob(canvas, (side * 0.48, -0.08), (0.3, 0.42), side * 0.3)
        image = blend(image, cavity * inside, lung)
    dome = blob(canvas, (-0.3, 0.42), (0.45, 0.22), tilt)
    image = blend(image, dome * inside, liver)
    for x, y, size in vessels:
        # Vessels cross the slices at an angle.
        spot = blob(canvas, (x + 0.1 * depth, y + 0.05 * depth), (size, size))
        image = blend(image, spot * inside, 0.5 * blood)

    taper = np.sqrt(1 - 0.7 * depth**2)
    # Hearts contract faster than they fill.
    contraction = np.sin(np.pi * moment**0.75) ** 2
    filled = radius * taper
    inner = filled * (1 - ejection * contraction)
    # The wall keeps its area, so it thickens as the chamber shrinks.
    outer = np.sqrt(inner**2 + (filled + wall) ** 2 - filled**2)
    towards = np.array([np.cos(axis), np.sin(axis)])
    right = centre + towards * (filled + wall)
    chamber = np.array([0.75, 1.25]) * filled * (1 - 0.6 * ejection * contraction)
    image = blend(image, blob(canvas, right, chamber + 0.03, axis), wall_level)
    image = blend(image, blob(canvas, right, chamber, axis), 0.9 * blood)
    image = blend(image, blob(canvas, centre, (outer, outer)), wall_level)
    image = blend(image, blob(canvas, centre, (inner, inner)), blood)
    for angle in (axis + 1.2, axis - 1.4):
        spot = centre + 0.6 * inner * np.array([np.cos(angle), np.sin(angle)])
        papillary = blob(canvas, spot, (0.16 * radius, 0.2 * radius), angle)
        image = blend(image, papillary, wall_level)
    return image


def head(
    anatomy: Generator, canvas: Canvas, depth: float, moment: float
) -> Float[np.ndarray, "size size"]:
    """Paint an axial slice of a head.

    Args:
        anatomy: random generator of the subject.
        canvas: pixels to paint on.
        depth: 0 at the height of the eyes, 1 near the top.
        moment: part of the nod gone by, from 0.
    """
    uniform = anatomy.uniform
    scalp, white, grey, fluid = uniform([0.8, 0.65, 0.4, 0.08], [1, 0.8, 0.55, 0.18])
    outline, tilt = uniform([0.6, 0.76], [0.72, 0.9]), uniform(-0.15, 0.15)
    skin, bone, gap = uniform([0.04, 0.04, 0.02], [0.08, 0.07, 0.05])
    ripples = zip(
        anatomy.integers(5, 26, 8).tolist(),
        uniform(0, 2 * np.pi, 8),
        uniform(-3, 3, 8),
        strict=True,
    )
    ventricle, spread = uniform([0.05, 0.16], [0.09, 0.24]), uniform(0.1, 0.14)

    # A rocking path: no two moments of a nod have the same position and angle.
    angle = tilt + 0.05 * np.sin(2 * np.pi * moment)
    centre = np.array([0, 0.02 * np.cos(2 * np.pi * moment)])
    outline = outline * np.sqrt(1 - 0.55 * depth**2)
    # The folds wander around the brain from slice to slice.
    folds = [(0.025, count, start + depth * turn) for count, start, turn in ripples]
    # From the skin inwards: a layer of fluid lies between bone and brain.
    cortex = outline - skin - bone - gap
    image = np.zeros_like(canvas.x)
    for inset, level in ((0, scalp), (skin, 0.03), (skin + bone, fluid)):
        layer = blob(canvas, centre, outline - inset, angle)
        image = blend(image, layer, level)
    shallow = [(0.3 * size, n, p) for size, n, p in folds]
    brain = blob(canvas, centre, cortex, angle, shallow)
    image = blend(image, brain, grey)
    image = blend(image, blob(canvas, centre, 0.8 * cortex, angle, folds), white)
    fissure = blob(canvas, centre, np.array([0.012, 0.98 * cortex[1]]), angle)
    image = blend(image, fissure * brain, fluid)
    # Ventricles shrink towards the top, but never to nothing.
    size = ventricle * max(1 - 1.1 * depth, 0.15)
    for side in (-1, 1):
        turn = angle + side * 0.25
        spot = np.array([np.cos(angle), np.sin(angle)]) * side * spread
        image = blend(image, blob(canvas, centre + 1.9 * spot, size, turn), grey)
        image = blend(image, blob(canvas, centre + spot, size, turn), fluid)
    return image


def blob(
    canvas: Canvas,
    centre: tuple[float, float] | Float[np.ndarray, " 2"],
    radii: tuple[float, float] | Float[np.ndarray, " 2"],
    angle: float = 0.0,
    waves: list[tuple[float, int, float]] | None = None,
) -> Float[np.ndarray, "size size"]:
    """Return the part of each pixel that an ellipse covers, 0 to 1.

    Args:
        canvas: coordinates of the pixels.
        centre: x and y of its centre.
        radii: lengths of its half axes.
        angle: angle of its first axis, from x towards y, radians.
        waves: (amplitude in radii, periods a turn, phase) of ripples on its outline.
    """
    x, y = canvas.x - centre[0], canvas.y - centre[1]
    u = (np.cos(angle) * x + np.sin(angle) * y) / radii[0]
    v = (np.cos(angle) * y - np.sin(angle) * x) / radii[1]
    excess = np.sqrt(u * u + v * v) - 1
    if waves:
        turn = np.arctan2(v, u)
        for amplitude, periods, phase in waves:
            excess -= amplitude * np.sin(periods * turn + phase)
    # An edge is a pixel and a half wide, as if pixels averaged over their area.
    edge = 3 / canvas.x.shape[0]
    return np.clip(0.5 - excess * min(radii) / edge, 0, 1)


def blend(
    image: Float[np.ndarray, "size size"],
    cover: Float[np.ndarray, "size size"],
    level: float,
) -> Float[np.ndarray, "size size"]:
    """Return `image` with a tissue of intensity `level` painted over it."""
    return image + cover * (level - image)


PAINTERS = {"heart": heart, "head": head}
