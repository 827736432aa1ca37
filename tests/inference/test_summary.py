"""The line of each file, its warnings, and the line for all."""

from pathlib import Path

import numpy as np
import pytest

from emrnas_jax.inference.summary import (
    Outcome,
    Summary,
    repeated_warnings,
    summary_line,
)

A, RESULT = Path("scans/a.h5"), Path("out/a.h5")


def scores(psnr_db):
    return {
        "zero_filled_psnr_db": np.array([20.0]),
        "zero_filled_ssim": np.array([0.5]),
        "psnr_db": np.array(psnr_db),
        "ssim": np.array([0.75]),
    }


def test_a_file_that_was_reconstructed_has_its_frames_time_and_result(capsys):
    summary = Summary(total=1)
    summary.add(
        Outcome(A, RESULT, frames=2, seconds=1.25, stored_as="k-space plain, complete")
    )
    assert capsys.readouterr().out == (
        "a.h5: 2 frames, k-space plain, complete; 1.2 s -> out/a.h5\n"
    )
    assert summary_line(summary) == (
        "1 file with 2 frames reconstructed in 1.2 s, 0.625 s per frame"
    )


def test_means_are_over_frames_not_over_files(capsys):
    summary = Summary(total=2)
    summary.add(Outcome(A, RESULT, frames=1, scores=scores([30.0])))
    summary.add(Outcome(A, RESULT, frames=3, scores=scores([20.0, 20.0, 20.0])))
    assert "reconstruction 30.00 dB, SSIM 0.7500" in capsys.readouterr().out
    line = summary_line(summary)
    assert "zero-filled 20.00 dB, SSIM 0.5000; reconstruction 22.50 dB" in line
    assert "; metrics: paper: " in line


def test_a_failure_is_one_line_on_standard_error_with_the_path_once(capsys):
    summary = Summary(total=1)
    summary.add(Outcome(A, RESULT, failure=f"{A}: is damaged"))
    found = capsys.readouterr()
    assert found.err == f"error: {A}: is damaged\n"
    assert not found.out
    assert summary_line(summary) == "1 failed"


def test_a_file_that_was_done_already_is_counted_apart(capsys):
    summary = Summary(total=2)
    summary.add(Outcome(A, RESULT))
    summary.add(Outcome(A, RESULT, failure="damaged"))
    assert f"{A}: done already, {RESULT}\n" in capsys.readouterr().out
    assert (summary.done, summary.skipped, summary.failed) == (0, 1, 1)
    assert summary_line(summary) == "1 done already; 1 failed"


def test_warnings_that_differ_in_numbers_are_counted_together(capsys):
    summary = Summary(total=3)
    for number in (1, 2.5, 3e-6):
        warnings = (f"scale {number} is odd",)
        summary.add(Outcome(A, RESULT, frames=1, warnings=warnings))
    summary.add(Outcome(A, RESULT, frames=1, warnings=("another warning",)))
    printed = capsys.readouterr().err.splitlines()
    assert printed == [
        f"warning: {A}: scale 1 is odd",
        f"warning: {A}: another warning",
    ]
    [sentence] = repeated_warnings(summary)
    assert sentence == "3 of 3 files have this warning, the first: scale 1 is odd"


@pytest.mark.parametrize("outcome", [{"frames": 1}, {"failure": "bad"}, {}])
def test_names_that_are_not_utf8_can_be_printed(outcome, capsys):
    name = Path("odd \udce4 name.h5")
    Summary(total=1).add(Outcome(name, name, **outcome))
    printed = "".join(capsys.readouterr())
    assert r"odd \udce4 name.h5" in printed
    printed.encode()
