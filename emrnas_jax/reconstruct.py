r"""Reconstruct scans with a trained network: one file, or every file of a folder.

    python -m emrnas_jax.reconstruct --model=runs/cardiac --input=FILE_OR_FOLDER \
        --output=FOLDER

Complete images are under-sampled first, with the masks of the network's own test, and
scored; k-space with lines missing is completed. For each file FOLDER gets an HDF5 with
`reconstruction`, a PNG of its middle frame and, with `--format=nifti`, `dicom` or
`png`, files for viewers. A file that cannot be used is reported and the others go on;
the exit status is then 1. Files that are done already are skipped, so a stopped command
can be given again.

`--model=tv` needs no training: it is compressed sensing by total variation, with a
regularisation weight that was measured on cardiac images. `--model=sense` takes k-space
of several coils, estimates their maps, and needs no training either.

The next files are read, and the last written, while the device computes. Programs are
compiled once for every size of frames and form of masks, not once a file.

In Python: `emrnas_jax.inference.reconstruct_kspace`.
"""

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import app, flags

from emrnas_jax.data.dataset import DataSettings
from emrnas_jax.data.readers.kspace_conventions import CONVENTIONS, NORMS
from emrnas_jax.data.readers.kspace_frames import parse_frames
from emrnas_jax.data.readers.mask_files import (
    StoredMask,
    read_stored_mask,
    require_centre_of,
)
from emrnas_jax.data.readers.scan import Reading
from emrnas_jax.errors import InputError
from emrnas_jax.inference.batches import BATCH
from emrnas_jax.inference.jobs import reconstruct_files
from emrnas_jax.inference.plan import Settings
from emrnas_jax.inference.summary import repeated_warnings, summary_line
from emrnas_jax.inference.trained import load_model
from emrnas_jax.inference.viewer_files import FORMATS, HDF5
from emrnas_jax.kernels.precision import PRECISIONS
from emrnas_jax.machine import host
from emrnas_jax.models.included import lines_of_included
from emrnas_jax.models.record import NetworkRecord


def define_flags() -> None:
    """Define the flags of this program; not at import, where they would collide."""
    _define_network_flags()
    _define_kspace_flags()
    flags.DEFINE_string("input", None, "A file, or a folder of files.")
    flags.DEFINE_string("output", None, "Folder for the results.")
    flags.DEFINE_bool("list_models", False, "List the models that are included, only.")
    flags.DEFINE_integer("batch", BATCH, "Frames at once.", lower_bound=1)
    flags.DEFINE_bool("overwrite", False, "Replace results that exist already.")
    flags.DEFINE_enum(
        "format",
        HDF5,
        [HDF5, *FORMATS],
        "Files for viewers beside the HDF5 of a result. nifti: one file, float32 "
        "[column, row, slice(, frame)]; dicom: a file for every frame, which needs "
        "pip install 'emrnas-jax[dicom]'; png: a picture of every frame. Sizes and "
        "places of pixels are those that the input states.",
    )


def _define_network_flags() -> None:
    flags.DEFINE_string(
        "model",
        None,
        "Folder of a run, of one of its networks (RUN/fold_1/emrnas) or of a "
        "checkpoint in that; or a model folder, as emrnas_jax.export writes it. Or, "
        "unless a folder has that name, one of --list_models. Or, untrained: tv, "
        "compressed sensing by total variation, which under-samples complete images to "
        "15 % of the rows of k-space; or sense, for k-space of several coils, which "
        "measures a quarter of the columns of complete k-space.",
    )
    # None means that a flag is not given: the model decides then.
    flags.DEFINE_integer("fold", None, "Fold of a run; the first unless given.")
    flags.DEFINE_string(
        "network", None, "Network of a run; emrnas unless given, if it was trained."
    )
    flags.DEFINE_enum(
        "precision",
        None,
        list(PRECISIONS),
        "Precision of the convolutions, in place of that of the training. float32: "
        "exact; tf32: NVIDIA's tensor cores, float32 on a CPU; bf16: half the memory, "
        "fastest on a GPU, a TPU or a CPU with AMX, and slow on other CPUs.",
    )
    flags.DEFINE_bool(
        "test_time_flips",
        False,
        "Take the mean over four mirrored frames: a little better, and four times as "
        "slow.",
    )
    flags.DEFINE_integer(
        "components",
        None,
        "Number of first components that are used, of a cascade that was trained with "
        "deep supervision: faster, and a little worse. All unless given.",
    )
    flags.DEFINE_enum(
        "images",
        None,
        ["magnitude", "complex"],
        "Images that --model=tv and --model=sense return, and as which they read "
        "complete complex images; magnitude unless given. Trained networks return what "
        "they learned.",
    )


def _define_kspace_flags() -> None:
    flags.DEFINE_string(
        "mask",
        None,
        "File of masks (.npz, .npy, .mat, .h5), zero frequency in the middle and 1 "
        "where measured: a value per line, masks [mask, line], or mask [row, column]; "
        "one for all frames or one for each; used in place of the input's, or of drawn "
        "ones.",
    )
    flags.DEFINE_enum(
        "kspace_convention",
        "",
        ["", *CONVENTIONS],
        "Convention of k-space in files that do not state it, or state it wrongly. "
        "centred: fastMRI's, zero frequency and image in the middle, assumed if "
        "nothing is stated; shifted: only the zero frequency; plain: "
        "np.fft.fft2(image). Each file's images are tested for it.",
    )
    flags.DEFINE_enum(
        "kspace_norm",
        "",
        ["", *NORMS],
        "Norm of the Fourier transform that k-space comes from. ortho: "
        'np.fft.fft2(image, norm="ortho"), assumed if nothing is stated; backward: '
        "NumPy's default, whose k-space is larger by the square root of the number of "
        "pixels.",
    )
    flags.DEFINE_string(
        "kspace_axes",
        "",
        "Names of the axes of k-space, of frame, coil, row and column, where they are "
        "others than [row, column], [frame, row, column] or [frame, coil, row, "
        "column]; such as row,column,coil.",
    )
    flags.DEFINE_string(
        "frames",
        "",
        "Frames to reconstruct, counted from 0: one number, or first:end, as 10:12 for "
        "10 and 11; all unless given. Of HDF5 no others are read.",
    )
    flags.DEFINE_bool(
        "fully_sampled",
        False,
        "Take k-space with zero lines, such as padding, as complete: under-sample it.",
    )
    flags.DEFINE_float(
        "scale",
        0.0,
        "Intensity of k-space's images that is 1 for the network; 0: a file's largest, "
        "zero-filled.",
        lower_bound=0.0,
    )


def main(argv: Sequence[str]) -> int:
    """Reconstruct as the flags say, and return the exit status."""
    if len(argv) > 1:
        raise app.UsageError(f"not understood: {' '.join(argv[1:])}")
    given: Any = flags.FLAGS
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files may be any
    with host.clear_errors():
        if given.list_models:
            print(*lines_of_included(), sep="\n")  # noqa: T201 - the program's answer
            return 0
        # Not required by absl, because --list_models needs none of them.
        for name in ("model", "input", "output"):
            if not given[name].value:
                raise InputError(f"--{name} is empty; name a file or folder")
        host.prepare(Path(DataSettings.cache).expanduser())
        masks = None
        # Before the network, whose loading takes seconds that a mistake need not wait.
        if given.mask is not None:
            masks = read_stored_mask(given.mask)
            require_centre_of(masks)
        model = load_model(
            given.model,
            given.fold,
            given.network,
            given.precision,
            given.images,
            given.test_time_flips,
            given.components,
        )
        summary = reconstruct_files(model, settings_of(given, model.record, masks))
    # Not to standard output, which holds the summary alone.
    for sentence in repeated_warnings(summary):
        print(f"warning: {sentence}", file=sys.stderr)  # noqa: T201
    print(summary_line(summary))  # noqa: T201 - the program's answer
    # A script learns of a failed file, though the others are written.
    return 1 if summary.failed else 0


def settings_of(
    given: Any, record: NetworkRecord, masks: StoredMask | None
) -> Settings:
    """Return the values of the flags, with those that the network decides.

    Args:
        given: the parsed flags.
        record: record of the network.
        masks: content of --mask, None without it.
    """
    parse_frames(given.frames)  # once, and not for every file
    return Settings(
        input=Path(given.input).expanduser(),
        output=Path(given.output).expanduser(),
        reading=Reading(
            # Images and direction of the lines are those that the network was
            # trained for, whatever the file holds.
            images=record.images,
            phase_encode=record.sampling["phase_encode"],
            convention=given.kspace_convention,
            norm=given.kspace_norm,
            fully_sampled=given.fully_sampled,
            scale=given.scale,
            masks=masks,
            axes=given.kspace_axes,
            frames=given.frames,
        ),
        batch=given.batch,
        overwrite=given.overwrite,
        format=given.format,
    )


if __name__ == "__main__":
    define_flags()
    app.run(main, flags_parser=host.parse_or_exit)
