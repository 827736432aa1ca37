"""Measure how often a wrong convention of k-space passes, and a right one is warned of.

    python scripts/kspace_conventions.py FOLDER [--files=1000] [--seed=0]

Files of k-space are made from the real images below FOLDER: in each convention and
norm, complete or under-sampled (15 % of the rows, or every fourth or eighth column and
the centre), with and without a mask, of one, two or four frames of a scan. They are
read as `reconstruct` reads them, half with right and half with wrong flags; a flag that
is not needed is sometimes left out.

Images come from every file that the package reads but NIfTI and DICOM, and from MATLAB
files with `data.images` (the fat-water data sets of the ISMRM workshop, 2012). They are
divided by their largest magnitude; the grey levels of 8-bit images become [0, 1].
"""

import collections
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import jax
import numpy as np
import scipy.io
from absl import app, flags
from jaxtyping import Bool, Complex, Inexact

from emrnas_jax.data.readers.kspace_conventions import CONVENTIONS, NORMS
from emrnas_jax.data.readers.recognition import SOURCES, read_images
from emrnas_jax.data.readers.scan import Reading
from emrnas_jax.errors import InputError
from emrnas_jax.inference.scans import read_scan
from emrnas_jax.machine import host
from emrnas_jax.mri.sampling import PHASE_ENCODE, Sampling, draw_mask

Images = Inexact[np.ndarray, "frame height width"]

SAMPLINGS = {
    "complete": None,
    "15 % of rows": Sampling(rate=0.15),
    "1/4 of columns": Sampling("equispaced", 1 / 4, 0.08, "columns"),
    "1/8 of columns": Sampling("equispaced", 1 / 8, 0.04, "columns"),
}
# Mistakes of the flags, each with its part of the files.
FLAGS = {"right": 0.5, "wrong convention": 0.35, "wrong norm": 0.15}
READING = Reading("complex", "rows")
# K-space itself, and formats whose files are pictures of any kind.
LEFT_OUT = ("kspace", "nifti", "dicom")


class Case(NamedTuple):
    """One file: how it is made, and how it is read.

    Attributes:
        source: name of the folder of the images.
        sampling: sampling of the file, a key of SAMPLINGS.
        stored: convention and norm of the file.
        given: convention and norm that the user gives; empty where he gives none.
        flags: mistake of the given ones, a key of FLAGS.
    """

    source: str
    sampling: str
    stored: tuple[str, str]
    given: tuple[str, str]
    flags: str


def scans_below(folder: Path) -> dict[str, list[Images]]:
    """Return the images of every file that can be read, by its folder."""
    found: dict[str, list[Images]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        images = list(_images_of(path))
        if images and len({image.shape for image in images}) == 1:
            found.setdefault(path.parent.name, []).append(np.stack(images))
    return found


def _images_of(path: Path) -> Iterator[Inexact[np.ndarray, "height width"]]:
    """Yield the images of a file with intensities in [0, 1], none if it has none."""
    if path.suffix == ".mat":
        if h5py.is_hdf5(path):
            return  # version 7.3, which SciPy does not read
        loaded = scipy.io.loadmat(path, squeeze_me=True, struct_as_record=False)
        images = getattr(loaded.get("data"), "images", None)
        if images is None:
            return
        for image in np.moveaxis(images.reshape(*images.shape[:2], -1), -1, 0):
            yield image / np.abs(image).max()
    elif any(source.takes(path) for source in SOURCES if source.name not in LEFT_OUT):
        for named in read_images(path):
            eight_bit = named.image.dtype == np.uint8
            yield named.image / np.float32(255) if eight_bit else named.image


def draw_case(random: np.random.Generator, sources: list[str], flags: str) -> Case:
    """Draw how a file is made and read."""
    convention, norm = (
        str(random.choice(list(known))) for known in (CONVENTIONS, NORMS)
    )
    given = [convention, norm]
    if flags == "wrong convention":
        given[0] = str(random.choice([c for c in CONVENTIONS if c != convention]))
    if flags == "wrong norm":
        given[1] = next(n for n in NORMS if n != norm)
    # Half of the users leave out a flag whose value is assumed anyway.
    for i, assumed in enumerate(("centred", "ortho")):
        if given[i] == assumed and random.random() < 0.5:
            given[i] = ""
    return Case(
        str(random.choice(sources)),
        str(random.choice(list(SAMPLINGS))),
        (convention, norm),
        (given[0], given[1]),
        flags,
    )


def write_case(
    path: Path, case: Case, scan: Images, random: np.random.Generator
) -> None:
    """Write the file of a case from some images of a scan."""
    count = min(int(random.choice([1, 2, 4])), len(scan))
    images = scan[random.choice(len(scan), count, replace=False)]
    kspace = stored_kspace(images, *case.stored)
    if sampling := SAMPLINGS[case.sampling]:
        mask = _mask(sampling, random, images.shape[1:], case.stored[0])
        kspace = kspace * mask
        if random.random() < 0.5:
            np.savez(path, kspace=kspace.astype(np.complex64), mask=mask.ravel())
            return
    np.savez(path, kspace=kspace.astype(np.complex64))


def stored_kspace(
    images: Images, convention: str, norm: str
) -> Complex[np.ndarray, "frame height width"]:
    """Return the k-space of images as users of a convention compute it with NumPy."""
    axes = (1, 2)
    if convention == "centred":
        images = np.fft.ifftshift(images, axes=axes)
    kspace = np.fft.fft2(images, norm="ortho" if norm == "ortho" else None)
    return kspace if convention == "plain" else np.fft.fftshift(kspace, axes=axes)


def _mask(
    sampling: Sampling, random: np.random.Generator, size: tuple, convention: str
) -> Bool[np.ndarray, "#height #width"]:
    key = jax.random.key(int(random.integers(2**31)))
    # One line wide, so that a program is compiled for a few numbers of lines only.
    axis = PHASE_ENCODE.index(sampling.phase_encode)
    shape = (size[0], 1) if axis == 0 else (1, size[1])
    mask = np.asarray(draw_mask(sampling, key, shape))
    return mask if convention == "plain" else np.fft.fftshift(mask)


def outcome_of(path: Path, case: Case) -> str:
    """Return the outcome of reading a file: refused, warned or silent."""
    convention, norm = case.given
    how = Reading("complex", "rows", convention=convention, norm=norm)
    try:
        scan = read_scan(path, how)
    except InputError:
        return "refused"
    # A phase that turns moves the echo, whatever the convention.
    warnings = [text for text in scan.warnings if not text.startswith("the echo")]
    return "warned" if warnings else "silent"


def table(
    folder: Path, files: int, seed: int
) -> tuple[collections.Counter[tuple[Case, str]], dict[str, int]]:
    """Make and read files, and count the outcomes of each case.

    Returns:
        Counts of each case and outcome, and the number of scans by folder.
    """
    random = np.random.default_rng(seed)
    scans = scans_below(folder)
    if not scans:
        raise InputError(f"{folder}: holds no images that can be read")
    kinds = [kind for kind, part in FLAGS.items() for _ in range(round(part * files))]
    counts: collections.Counter[tuple[Case, str]] = collections.Counter()
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "scan.npz"
        for kind in kinds:
            case = draw_case(random, list(scans), kind)
            chosen = scans[case.source]
            write_case(path, case, chosen[random.integers(len(chosen))], random)
            counts[case, outcome_of(path, case)] += 1
    return counts, {source: len(own) for source, own in scans.items()}


def print_table(
    counts: collections.Counter[tuple[Case, str]],
    title: str,
    key: Callable[[Case], str],
) -> None:
    """Print a table of the outcomes, with a row for each group of files."""
    print(f"\n{title:46s} {'files':>6s} {'refused':>8s} {'warned':>7s} {'silent':>7s}")
    rows: dict[str, collections.Counter[str]] = {}
    for (case, outcome), count in counts.items():
        rows.setdefault(key(case), collections.Counter())[outcome] += count
    for name, own in sorted(rows.items()):
        print(
            f"{name:46s} {own.total():6d} {own['refused']:8d} {own['warned']:7d} "
            f"{own['silent']:7d}"
        )


def define_flags() -> None:
    """Define the flags of the command line."""
    flags.DEFINE_integer("files", 1000, "number of files that are made", lower_bound=1)
    flags.DEFINE_integer("seed", 0, "seed of all that is drawn", lower_bound=0)


def main(argv: Sequence[str]) -> None:
    """Print the tables."""
    folders = list(argv[1:])
    with host.clear_errors():
        if len(folders) != 1:
            raise InputError(f"expected one folder of images, found {folders}")
        given = flags.FLAGS
        counts, scans = table(Path(folders[0]), given.files, given.seed)
        print("Scans:", ", ".join(f"{n} of {name}" for name, n in scans.items()))
        print_table(counts, "Flags", lambda case: case.flags)
        print_table(counts, "Flags, images", lambda c: f"{c.flags}, {c.source}")
        print_table(counts, "Flags, sampling", lambda c: f"{c.flags}, {c.sampling}")
        print_table(
            counts,
            "Flags, stored, given",
            lambda c: f"{c.flags}: {' '.join(c.stored)}, {' '.join(c.given) or '-'}",
        )


if __name__ == "__main__":
    define_flags()
    app.run(main, flags_parser=host.parse_or_exit)
