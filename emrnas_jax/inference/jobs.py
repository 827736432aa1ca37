"""Many files: read, reconstruct, write, and report each.

A file that cannot be used is reported and the others go on. A result says what it was
made from: files that are done already are skipped, and a result of another file or
network is never overwritten unasked.

While files are reconstructed, the next are read and the last written (`overlap`). Files
of few frames wait for others of their kind, until they fill a batch, so however many
files there are, the network is compiled once for every size of frames and form of
masks. Frames are never padded to a common size: data consistency is exact only with
the Fourier transform of the image's own size.
"""

import collections
import contextlib
import dataclasses
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from tqdm import tqdm

from emrnas_jax.data.scans import Reading, Scan, find_scans, read_scan
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.conventions import PAPER, in_words
from emrnas_jax.inference.apply import (
    BATCH,
    Reconstructed,
    one_by_one,
    reconstruct_together,
)
from emrnas_jax.inference.doubts import doubts
from emrnas_jax.inference.overlap import overlapped
from emrnas_jax.inference.tally import Outcome, Tally
from emrnas_jax.inference.trained import TrainedNetwork
from emrnas_jax.reporting.scan_files import (
    ReconstructedScan,
    made_from,
    write_preview,
    write_scan,
)

WAITING = 4  # batches of frames that wait for more of their kind


@dataclass(frozen=True)
class Settings:
    """What the flags say.

    Attributes:
        input: a file, or a folder of files.
        output: folder of the results.
        reading: how files are to be understood.
        batch: frames at once.
        overwrite: replace results that are there.
    """

    input: Path
    output: Path
    reading: Reading
    batch: int = BATCH
    overwrite: bool = False


@dataclass(frozen=True)
class Job:
    """One file, where its results go, and what says that they are its own."""

    source: Path
    result: Path
    preview: Path
    made_from: dict


# A file's frames to be reconstructed, with others of their kind.
Group = list[tuple[Job, Scan]]


def reconstruct_files(model: TrainedNetwork, settings: Settings) -> Tally:
    """Reconstruct every file, print a line for each, and count them.

    Raises:
        InputError: there are no files, or the folder for the results cannot be used.
    """
    jobs = plan(model, settings)
    tally, said = Tally(), set()
    bar = tqdm(
        total=len(jobs),
        disable=None,
        bar_format="{l_bar}{bar}| {n:.1f}/{total} files [{elapsed}<{remaining}]",
    )

    def compute(item: Group | Outcome) -> "_Found | list[Outcome]":
        if isinstance(item, Outcome):
            return [item]
        for job, scan in item:
            _say_doubts(job, doubts(model, scan), said)
        frames = _frames(item)

        def advance(count: int) -> None:
            bar.update(count * len(item) / frames)

        start = time.perf_counter()
        try:
            found = reconstruct_together(
                model, [scan for _, scan in item], settings.batch, advance
            )
        except (InputError, jax.errors.JaxRuntimeError) as error:
            return [_failed(job, _reason(error)) for job, _ in item]
        return _Found(item, found, (time.perf_counter() - start) / frames)

    def write(found: "_Found | list[Outcome]") -> list[Outcome]:
        return found if isinstance(found, list) else _write(found, model)

    items = _groups(_read(jobs, settings), settings.batch)
    with bar, contextlib.closing(overlapped(items, compute, write)) as finished:
        for outcomes in finished:
            for outcome in outcomes:
                tally.add(outcome)
                bar.update(outcome.frames == 0)
    return tally


class _Found(NamedTuple):
    """What the network made of a group, and the seconds it took per frame."""

    group: Group
    together: Reconstructed
    seconds_per_frame: float


def plan(model: TrainedNetwork, settings: Settings) -> list[Job]:
    """Return what is to be done, before anything is.

    Raises:
        InputError: there are no files, or the folder for the results cannot be used.
    """
    files = find_scans(settings.input)
    output = settings.output
    if output.resolve() == files[0].parent.resolve():
        raise InputError(f"--output={output} is the folder of the input; give another")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--output={output}: cannot be made ({error})") from error
    # In lower case, because some file systems do not tell A.h5 from a.h5.
    stems = collections.Counter(_stem(file).lower() for file in files)
    return [_job(model, settings, file, stems) for file in files]


def _job(
    model: TrainedNetwork, settings: Settings, file: Path, stems: collections.Counter
) -> Job:
    name = file.name if stems[_stem(file).lower()] > 1 else _stem(file)
    status = file.stat()
    reading = dataclasses.asdict(settings.reading)
    masks = reading.pop("masks")
    return Job(
        source=file,
        result=settings.output / f"{name}.h5",
        preview=settings.output / f"{name}.png",
        made_from={
            "input": str(file.resolve()),
            "bytes": status.st_size,
            "changed": status.st_mtime_ns,
            **model.origin(),
            "precision": model.record.settings.get("precision", "float32"),
            "mask": None if masks is None else np.packbits(masks).tobytes().hex(),
            **reading,
        },
    )


def _stem(file: Path) -> str:
    return Path(file.name.removesuffix(".gz")).stem


def _read(jobs: list[Job], settings: Settings) -> Iterator[tuple[Job, Scan] | Outcome]:
    """Read the files that are not done yet; of the others say so, or why not."""
    for job in jobs:
        try:
            if job.result.exists() and not settings.overwrite:
                if made_from(job.result) != job.made_from:
                    raise InputError(
                        f"{job.result} exists and was made from something else, or by "
                        "another network; give another --output, or --overwrite"
                    )
                yield Outcome(job.source, job.result)
                continue
            yield job, read_scan(job.source, settings.reading)
        except (InputError, OSError, MemoryError) as error:
            yield _failed(job, _reason(error))


def _groups(
    scans: Iterator[tuple[Job, Scan] | Outcome], batch: int
) -> Iterator[Group | Outcome]:
    """Join scans of one kind until they fill a batch.

    Files of a single frame would otherwise be computed in batches of copies. Scans that
    wait are few: those that have waited longest go first.
    """
    waiting: dict[tuple, Group] = {}
    for scan in scans:
        if isinstance(scan, Outcome):
            yield scan
            continue
        kind = scan[1].kind
        waiting.setdefault(kind, []).append(scan)
        if _frames(waiting[kind]) >= batch:
            yield waiting.pop(kind)
        elif sum(_frames(group) for group in waiting.values()) >= WAITING * batch:
            yield waiting.pop(next(iter(waiting)))
    yield from waiting.values()


def _frames(group: Group) -> int:
    return sum(len(scan.slices) for _, scan in group)


def _say_doubts(job: Job, found: list[str], said: set[str]) -> None:
    """Warn of what the network was not trained for, once for all files alike."""
    for doubt in found:
        if doubt not in said:
            tqdm.write(f"warning: {job.source}: {doubt}", file=sys.stderr)
            said.add(doubt)


def _reason(error: BaseException) -> str:
    if isinstance(error, jax.errors.JaxRuntimeError):
        first = str(error).strip().partition("\n")[0]
        return f"the device failed ({first}); a lower --batch needs less memory"
    if isinstance(error, MemoryError):
        return "is too large for the memory of this machine"
    return str(error)


def _failed(job: Job, reason: str) -> Outcome:
    return Outcome(job.source, job.result, failure=reason)


def _write(found: _Found, model: TrainedNetwork) -> list[Outcome]:
    scans = one_by_one(model, [scan for _, scan in found.group], found.together)
    return [
        _finish(job, scan, model, found.seconds_per_frame * len(scan.slices))
        for (job, _), scan in zip(found.group, scans, strict=True)
    ]


def _finish(
    job: Job, scan: ReconstructedScan, model: TrainedNetwork, seconds: float
) -> Outcome:
    """Write a scan's files, the HDF5 last: where it is, the scan is done."""
    try:
        write_preview(job.preview, scan, model.record.name)
        write_scan(job.result, scan, _attributes(model, job, scan))
    except OSError as error:
        return _failed(job, f"{job.result}: cannot be written ({error})")
    return Outcome(
        job.source,
        job.result,
        frames=len(scan.slices),
        seconds=seconds,
        scores=scan.scores,
    )


def _attributes(
    model: TrainedNetwork, job: Job, scan: ReconstructedScan
) -> dict[str, str | int | float]:
    record = model.record
    metrics = {"metrics": in_words(PAPER)} if scan.scores else {}
    return metrics | {
        "model": str(model.folder.resolve()) if model.folder else record.name,
        "checkpoint": model.step,
        "network": record.name,
        "architecture": str(record.settings.get("architecture", "")),
        "settings": json.dumps(record.settings),
        "sampling": json.dumps(record.sampling),
        "seed": record.seed,
        "images": record.images,
        "mask_order": "zero frequency in the middle",
        "made_from": json.dumps(job.made_from),
    }
