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
    """What became of a file.

    Attributes:
        source: the file.
        result: where its result is, or would be.
        failure: why there is none; None if there is one.
        frames: that were reconstructed; 0 if the result was there already.
        seconds: that the network took for them, without compilation.
        scores: of every frame; empty without a target.
        stored_as: how its k-space was taken; empty for images.
        doubts: a sentence for everything doubtful in it.
    """

    source: Path
    result: Path
    failure: str | None = None
    frames: int = 0
    seconds: float = 0.0
    scores: Scores = field(default_factory=dict)
    stored_as: str = ""
    doubts: tuple[str, ...] = ()


@dataclass
class Tally:
    """What became of all files.

    Attributes:
        total: how many there are.
        done: that were reconstructed now.
        skipped: whose results were there already.
        failed: that could not be reconstructed.
        frames: of those done.
        seconds: that their reconstruction took, without compilation.
        scores: of those done that have a target.
        doubtful: for each doubt, apart from its numbers, the first and how many files
            there are.
    """

    total: int = 0
    done: int = 0
    skipped: int = 0
    failed: int = 0
    frames: int = 0
    seconds: float = 0.0
    scores: list[Scores] = field(default_factory=list)
    doubtful: dict[str, tuple[str, int]] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Count a file, and print its line.

        A doubt is printed for the first file that it is about, and counted at the end.
        """
        source, result = _printable(outcome.source), _printable(outcome.result)
        for doubt in outcome.doubts:
            kind = re.sub(r"\d+([.]\d+)?(e[+-]\d+)?", "0", doubt)
            first, count = self.doubtful.get(kind, (doubt, 0))
            if not count:
                tqdm.write(f"warning: {source}: {doubt}", file=sys.stderr)
            self.doubtful[kind] = first, count + 1
        if outcome.failure is not None:
            self.failed += 1
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
    """Return text in which bytes that are no text, as in some names, are escaped."""
    return str(text).encode(errors="backslashreplace").decode()


def repeated_doubts(tally: Tally) -> list[str]:
    """Return a sentence for every doubt that is about several files."""
    return [
        f"{count} of {tally.total} files are doubtful in this way, the first: {doubt}"
        for doubt, count in tally.doubtful.values()
        if count > 1
    ]


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
    if tally.scores:
        counts.append(f"metrics: {in_words(PAPER)}")
    return "; ".join(counts)


def _means(scores: list[Scores]) -> str:
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


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
