"""Per-file outcomes and the final summary of `reconstruct`."""

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float
from tqdm import tqdm

from emrnas_jax.evaluation.conventions import PAPER, in_words

Scores = dict[str, Float[np.ndarray, " frame"]]


@dataclass(frozen=True)
class Outcome:
    """The outcome of one file.

    Attributes:
        source: path of the file.
        result: path of its result, whether it exists or not.
        failure: reason for a missing result; None if there is a result.
        frames: number of frames reconstructed now; 0 if the result existed already.
        seconds: time that the network took for them, without compilation.
        scores: scores of every frame; empty without a target.
        stored_as: what the input is, in words.
        warnings: a sentence for everything uncertain.
        viewer: path of the file or folder for viewers; None without one.
    """

    source: Path
    result: Path
    failure: str | None = None
    frames: int = 0
    seconds: float = 0.0
    scores: Scores = field(default_factory=dict)
    stored_as: str = ""
    warnings: tuple[str, ...] = ()
    viewer: Path | None = None


@dataclass
class Summary:
    """The outcomes of all files, counted.

    Attributes:
        total: number of files.
        done: number of files reconstructed now.
        skipped: number of files whose results existed already.
        failed: number of files that could not be reconstructed.
        frames: number of frames reconstructed now.
        seconds: time of their reconstruction, without compilation.
        scores: scores of the files done that have a target.
        warnings: first warning of each kind, and the number of its files. Warnings that
            differ in numbers alone are of one kind, named by the text without them.
    """

    total: int = 0
    done: int = 0
    skipped: int = 0
    failed: int = 0
    frames: int = 0
    seconds: float = 0.0
    scores: list[Scores] = field(default_factory=list)
    warnings: dict[str, tuple[str, int]] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Count a file, and print its line.

        A warning is printed for the first file that it is about, and counted at the
        end, because a folder of a thousand scans has the same warning a thousand times.
        """
        # `tqdm.write` keeps the line out of the progress bar.
        source, result = _printable(outcome.source), _printable(outcome.result)
        if outcome.viewer is not None:
            result = f"{result}, {_printable(outcome.viewer.name)}"
        for warning in outcome.warnings:
            # Numbers differ from scan to scan, and the warning is the same.
            kind = re.sub(r"\d+([.]\d+)?(e[+-]\d+)?", "0", warning)
            first, count = self.warnings.get(kind, (warning, 0))
            if not count:
                tqdm.write(f"warning: {source}: {warning}", file=sys.stderr)
            self.warnings[kind] = first, count + 1
        if outcome.failure is not None:
            self.failed += 1
            # Most messages begin with the path, which stands in the line already.
            reason = _printable(outcome.failure).removeprefix(f"{source}: ")
            tqdm.write(f"error: {source}: {reason}", file=sys.stderr)
        elif not outcome.frames:
            self.skipped += 1
            tqdm.write(f"{source}: done already, {result}")
        else:
            self.done += 1
            self.frames += outcome.frames
            self.seconds += outcome.seconds
            if outcome.scores:
                self.scores.append(outcome.scores)
            name = _printable(outcome.source.name)
            tqdm.write(
                f"{name}: {_count(outcome.frames, 'frame')}, {outcome.stored_as}"
                f"{'; ' * bool(outcome.stored_as)}{outcome.seconds:.1f} s"
                f"{_means([outcome.scores])} -> {result}"
            )


def _printable(text: object) -> str:
    """Return text in which the bytes of a name that are not UTF-8 are escaped."""
    return str(text).encode(errors="backslashreplace").decode()


def repeated_warnings(summary: Summary) -> list[str]:
    """Return a sentence for every warning that is about several files."""
    return [
        f"{count} of {summary.total} files have this warning, the first: {warning}"
        for warning, count in summary.warnings.values()
        if count > 1
    ]


def summary_line(summary: Summary) -> str:
    """Return numbers of files and frames, time and mean scores in a line."""
    # All files may have been done already.
    per_frame = summary.seconds / max(summary.frames, 1)
    counts = [f"{summary.skipped} done already"] * bool(summary.skipped)
    counts += [f"{summary.failed} failed"] * bool(summary.failed)
    if summary.done:
        counts.append(
            f"{_count(summary.done, 'file')} with {_count(summary.frames, 'frame')} "
            f"reconstructed in {summary.seconds:.1f} s, {per_frame:.3f} s per frame"
            f"{_means(summary.scores)}"
        )
    # Scores without their definition cannot be compared.
    if summary.scores:
        counts.append(f"metrics: {in_words(PAPER)}")
    return "; ".join(counts)


def _means(scores: list[Scores]) -> str:
    """Return the mean scores in words, or nothing where no file had a target."""
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


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
