"""Many files, one after another: read, reconstruct, write, and report each.

A file that cannot be used is reported and the others go on. A result says what it was
made from: files that are done already are skipped, and a result of another file or
network is never overwritten unasked.
"""

import collections
import dataclasses
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from emrnas_jax.data.scans import Reading, Scan, find_scans, read_scan
from emrnas_jax.errors import InputError
from emrnas_jax.inference.apply import BATCH, reconstruct_scans
from emrnas_jax.inference.doubts import doubts
from emrnas_jax.inference.trained import TrainedNetwork
from emrnas_jax.reporting.scan_files import (
    ReconstructedScan,
    made_from,
    write_preview,
    write_scan,
)


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


@dataclass
class Tally:
    """What became of the files."""

    done: int = 0
    skipped: int = 0
    failed: int = 0
    frames: int = 0
    seconds: float = 0.0
    scores: list[dict[str, Float[np.ndarray, " frame"]]] = field(default_factory=list)


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
    with bar:
        for group in _groups(_scans(jobs, settings, tally, bar), settings.batch):
            scans = [scan for _, scan in group]
            for job, scan in group:
                _say_doubts(job, doubts(model, scan), said)
            frames = sum(len(scan.slices) for scan in scans)

            def advance(count: int, share: float = len(scans) / frames) -> None:
                bar.update(count * share)

            start = time.perf_counter()
            try:
                found = reconstruct_scans(model, scans, settings.batch, advance)
            except (InputError, jax.errors.JaxRuntimeError) as error:
                for job, _ in group:
                    _fail(job, _reason(error), tally)
                continue
            seconds = (time.perf_counter() - start) / frames
            for (job, _), scan in zip(group, found, strict=True):
                _finish(job, scan, model, seconds * len(scan.slices), tally)
    return tally


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
    checkpoint = model.folder.resolve() / "checkpoints" / str(model.step)
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
            "checkpoint": str(checkpoint),
            "trained": checkpoint.stat().st_mtime_ns,
            "precision": model.record.settings.get("precision", "float32"),
            "mask": None if masks is None else np.packbits(masks).tobytes().hex(),
            **reading,
        },
    )


def _stem(file: Path) -> str:
    return Path(file.name.removesuffix(".gz")).stem


def _scans(
    jobs: list[Job], settings: Settings, tally: Tally, bar: tqdm
) -> Iterator[tuple[Job, Scan]]:
    """Read the files that are not done yet; those that cannot be read are reported."""
    for job in jobs:
        try:
            if job.result.exists() and not settings.overwrite:
                if made_from(job.result) != job.made_from:
                    raise InputError(
                        f"{job.result} exists and was made from something else, or by "
                        "another network; give another --output, or --overwrite"
                    )
                tqdm.write(f"{job.source}: done already, {job.result}")
                tally.skipped += 1
                bar.update(1)
                continue
            yield job, read_scan(job.source, settings.reading)
        except (InputError, OSError, MemoryError) as error:
            _fail(job, _reason(error), tally)
            bar.update(1)


def _groups(
    scans: Iterator[tuple[Job, Scan]], batch: int
) -> Iterator[list[tuple[Job, Scan]]]:
    """Join consecutive scans of one kind until they fill a batch.

    Files of a single frame would otherwise be computed in batches of copies.
    """
    group: list[tuple[Job, Scan]] = []
    for job, scan in scans:
        if group and scan.kind != group[0][1].kind:
            yield group
            group = []
        group.append((job, scan))
        if sum(len(one.slices) for _, one in group) >= batch:
            yield group
            group = []
    if group:
        yield group


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


def _fail(job: Job, reason: str, tally: Tally) -> None:
    tally.failed += 1
    place = "" if str(job.source) in reason else f"{job.source}: "
    tqdm.write(f"error: {place}{reason}", file=sys.stderr)


def _finish(
    job: Job,
    scan: ReconstructedScan,
    model: TrainedNetwork,
    seconds: float,
    tally: Tally,
) -> None:
    """Write a scan's files, the HDF5 last: where it is, the scan is done."""
    try:
        write_preview(job.preview, scan, model.record.name)
        write_scan(job.result, scan, _attributes(model, job))
    except OSError as error:
        _fail(job, f"{job.result}: cannot be written ({error})", tally)
        return
    tally.done += 1
    tally.frames += len(scan.slices)
    tally.seconds += seconds
    if scan.scores:
        tally.scores.append(scan.scores)
    tqdm.write(
        f"{job.source.name}: {_count(len(scan.slices), 'frame')}, {seconds:.1f} s"
        f"{_means([scan.scores])} -> {job.result}"
    )


def _attributes(model: TrainedNetwork, job: Job) -> dict[str, str | int | float]:
    record = model.record
    return {
        "model": str(model.folder.resolve()),
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


def _means(scores: list[dict[str, Float[np.ndarray, " frame"]]]) -> str:
    """Return the mean scores in words; nothing where no file had a target."""
    scores = [one for one in scores if one]
    if not scores:
        return ""

    def mean(name: str) -> float:
        return float(np.mean(np.concatenate([one[name] for one in scores])))

    return (
        f"; zero-filled {mean('zero_filled_psnr_db'):.2f} dB, SSIM "
        f"{mean('zero_filled_ssim'):.4f}; reconstruction {mean('psnr_db'):.2f} dB, "
        f"SSIM {mean('ssim'):.4f}"
    )


def summary(tally: Tally) -> str:
    """Return what became of the files, in a line."""
    per_frame = tally.seconds / max(tally.frames, 1)
    counts = [f"{tally.skipped} done already"] * bool(tally.skipped)
    counts += [f"{tally.failed} failed"] * bool(tally.failed)
    if tally.done:
        counts.append(
            f"{_count(tally.done, 'file')} with {_count(tally.frames, 'frame')} "
            f"reconstructed in {tally.seconds:.1f} s, {per_frame:.3f} s per frame"
            f"{_means(tally.scores)}"
        )
    return "; ".join(counts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
