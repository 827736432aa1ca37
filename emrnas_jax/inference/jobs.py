"""Read, reconstruct and write many files, and report each.

A file that cannot be used is reported and the others go on, whatever is wrong with it.
A result holds the inputs that it was made from: files that are done already are
skipped, and a result of another file or network is never overwritten unasked.

While files are reconstructed, the next are read and the last written (`overlap`). Files
of few frames wait for others of their kind, until they fill a batch, so however many
files there are, the network is compiled once for every size of frames and form of
masks. Frames are never padded to a common size: data consistency is exact only with
the Fourier transform of the image's own size.
"""

import contextlib
import json
from collections.abc import Iterator
from typing import NamedTuple

from emrnas_jax.data.readers.scan import Scan
from emrnas_jax.errors import InputError
from emrnas_jax.evaluation.conventions import PAPER, in_words
from emrnas_jax.inference.differences import warnings_for
from emrnas_jax.inference.failures import attempt, failed
from emrnas_jax.inference.frames import (
    Reconstructed,
    one_by_one,
    reconstruct_together,
)
from emrnas_jax.inference.overlap import overlapped
from emrnas_jax.inference.plan import Job, Settings, plan
from emrnas_jax.inference.scan_files import (
    ReconstructedScan,
    draw_preview,
    made_from,
    write_preview,
    write_scan,
)
from emrnas_jax.inference.scans import read_scan
from emrnas_jax.inference.stopwatch import computing
from emrnas_jax.inference.summary import Outcome, Summary
from emrnas_jax.inference.trained import TrainedNetwork
from emrnas_jax.inference.viewer_results import (
    complete_viewer_files,
    require_viewer_place,
    with_geometry,
    write_viewer_files,
)
from emrnas_jax.machine import processes

WAITING = 4  # batches of frames that wait for more of their kind


# A file's frames to be reconstructed, with others of their kind.
Group = list[tuple[Job, Scan]]


def reconstruct_files(model: TrainedNetwork, settings: Settings) -> Summary:
    """Reconstruct every file, print a line for each, and count them.

    Raises:
        InputError: there are no files, or the folder for the results cannot be used.
    """
    jobs = plan(model, settings)  # before the first file: it may refuse the folder
    summary = Summary(total=len(jobs))
    bar = processes.progress_bar(
        total=len(jobs),
        bar_format="{l_bar}{bar}| {n:.1f}/{total} files [{elapsed}<{remaining}]",
    )

    def reconstruct(group: Group) -> _Found:
        frames, scans = _frames(group), [scan for _, scan in group]

        def advance(count: int) -> None:
            bar.update(count * len(group) / frames)

        warnings = [warnings_for(model, scan) for scan in scans]
        with computing() as watch:
            found = reconstruct_together(model, scans, settings.batch, advance)
        return _Found(group, found, warnings, watch.seconds / frames)

    def compute(item: Group | Outcome) -> list[_Found | Outcome]:
        if isinstance(item, Outcome):
            return [item]
        found = attempt(lambda: reconstruct(item))
        if not isinstance(found, Exception):
            return [found]
        # One at a time: the file that fails is named, and the others are done.
        if len(item) == 1:
            return [failed(item[0][0], found)]
        return [one for member in item for one in compute([member])]

    def write(found: list[_Found | Outcome]) -> list[Outcome]:
        return [
            outcome
            for one in found
            for outcome in ([one] if isinstance(one, Outcome) else _write(one, model))
        ]

    items = _groups(_read(jobs, settings), settings.batch)
    with bar, contextlib.closing(overlapped(items, compute, write)) as finished:
        for outcomes in finished:
            for outcome in outcomes:
                summary.add(outcome)
                bar.update(outcome.frames == 0)  # the others advanced by batches
    return summary


class _Found(NamedTuple):
    """The reconstruction of a group.

    Attributes:
        group: files and their scans.
        together: reconstructed frames of all scans.
        warnings: warnings about each scan.
        seconds_per_frame: time that the network took, without compilation.
    """

    group: Group
    together: Reconstructed
    warnings: list[list[str]]
    seconds_per_frame: float


def _read(jobs: list[Job], settings: Settings) -> Iterator[tuple[Job, Scan] | Outcome]:
    """Read the files that are not done yet; report the others."""
    for job in jobs:
        found = attempt(lambda job=job: _read_one(job, settings))
        if isinstance(found, Exception):
            yield failed(job, found)
        elif isinstance(found, Outcome):
            yield found
        else:
            yield job, found


def _read_one(job: Job, settings: Settings) -> Scan | Outcome:
    """Return a file's scan, or its outcome if it is done already.

    Raises:
        InputError: the file cannot be used, or something else has the name of a result.
    """
    if not job.result.exists() or settings.overwrite:
        # Now, and not after the reconstruction.
        require_viewer_place(job)
        return read_scan(job.source, settings.reading)
    # Another network, file or flag: overwriting would lose it, skipping would lie.
    if made_from(job.result) != job.made_from:
        raise InputError(
            f"{job.result} exists and was made from something else, or by another "
            "network; give another --output, or --overwrite"
        )
    # Asked for another format now: nothing is reconstructed again.
    complete_viewer_files(job)
    return Outcome(job.source, job.result, viewer=job.viewer)


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
        kind = scan[1].kind  # joined frames share a compiled program
        waiting.setdefault(kind, []).append(scan)
        if _frames(waiting[kind]) >= batch:
            yield waiting.pop(kind)
        elif sum(_frames(group) for group in waiting.values()) >= WAITING * batch:
            yield waiting.pop(next(iter(waiting)))
    yield from waiting.values()


def _frames(group: Group) -> int:
    return sum(len(scan.slices) for _, scan in group)


def _write(found: _Found, model: TrainedNetwork) -> list[Outcome]:
    group = [scan for _, scan in found.group]
    scans = attempt(lambda: one_by_one(model, group, found.together))
    if isinstance(scans, Exception):
        return [failed(job, scans) for job, _ in found.group]
    outcomes = []
    for (job, scan), done, warnings in zip(
        found.group, scans, found.warnings, strict=True
    ):
        outcome = Outcome(
            job.source,
            job.result,
            frames=len(scan.slices),
            seconds=found.seconds_per_frame * len(scan.slices),
            scores=done.scores,
            stored_as=_in_words(scan),
            warnings=tuple(warnings),
        )
        outcomes.append(_finish(job, done, model, outcome))
    return outcomes


def _in_words(scan: Scan) -> str:
    """Describe a scan, and the reference of its scores where coils make one."""
    if scan.target is None:
        return scan.stored_as
    return f"{scan.stored_as}, scored against the root of the sum of squares"


def _finish(
    job: Job, scan: ReconstructedScan, model: TrainedNetwork, outcome: Outcome
) -> Outcome:
    """Write a scan's files; where the HDF5 is, the scan is done."""

    def write() -> Outcome:
        found = with_geometry(outcome, job, scan)
        preview = draw_preview(scan, model.record.name, job.source.name)
        write_scan(job.result, scan, _attributes(model, job, scan, found))
        write_preview(job.preview, preview)
        write_viewer_files(job)
        return found

    written = attempt(write)
    # A full disk is the folder's fault, so the message names the result.
    if isinstance(written, OSError):
        reason = f"{job.result}, or the files beside it, cannot be written "
        reason += f"({written.strerror or written})"
        return Outcome(job.source, job.result, failure=reason)
    return failed(job, written) if isinstance(written, Exception) else written


def _attributes(
    model: TrainedNetwork, job: Job, scan: ReconstructedScan, outcome: Outcome
) -> dict[str, str | int | float]:
    record = model.record
    # The file must be readable without the run, so it holds all settings.
    metrics = {"metrics": in_words(PAPER)} if scan.scores else {}
    stored_as = {"stored_as": outcome.stored_as} if outcome.stored_as else {}
    return (
        metrics
        | stored_as
        | {
            "model": str(model.folder.resolve()) if model.folder else record.name,
            "checkpoint": model.step,
            "network": record.name,
            "architecture": str(record.settings.get("architecture", "")),
            "settings": json.dumps(record.settings),
            "sampling": json.dumps(record.sampling),
            "seed": record.seed,
            "images": record.returns,
            "mask_order": "zero frequency in the middle",
            "warnings": "\n".join(outcome.warnings),
            "made_from": json.dumps(job.made_from),  # any name of a file, as ASCII
        }
    )
