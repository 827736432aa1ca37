"""The flags of the benchmark's commands, and the cases that they describe."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags

from emrnas_jax.benchmark import gpu, growth
from emrnas_jax.benchmark.case import Case
from emrnas_jax.benchmark.peers import PEERS
from emrnas_jax.evaluation.roofline import MATRIX_FORMS
from emrnas_jax.nas.gates import GATES
from emrnas_jax.nas.space import architecture_named

Options = Any  # a FlagValues; absl gives its flags no types


def define_case(values: flags.FlagValues, batch: int = 4) -> None:
    """Define the flags of a program that a network and a batch decide."""
    define_table(values, batch)
    _define_network(values)
    flags.DEFINE_enum(
        "precision",
        "float32",
        list(MATRIX_FORMS),
        "Precision of the convolutions.",
        flag_values=values,
    )


def define_step(values: flags.FlagValues) -> None:
    """Define the flags of a reconstruction or a training step."""
    define_case(values)
    flags.DEFINE_enum(
        "network",
        "emrnas",
        ["emrnas", "half_resolution"],
        "Network: EMR-NAS of that architecture and width, or the half-resolution "
        "cascade of its own size.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "strip",
        0,
        "Width of the strips that are cut from the frames, pixels; 0 for frames.",
        lower_bound=0,
        flag_values=values,
    )
    _define_peer(values)


def _define_peer(values: flags.FlagValues) -> None:
    flags.DEFINE_enum(
        "against",
        None,
        ["torch"],
        "Peer that is timed in turn, after its results were compared.",
        flag_values=values,
    )


def define_search_step(values: flags.FlagValues) -> None:
    """Define the flags of the steps of a search."""
    define_case(values)
    _define_peer(values)
    flags.DEFINE_enum(
        "paths",
        "1",
        [str(paths) for paths in sorted(GATES)],
        "Paths per cell in the step of alphas.",
        flag_values=values,
    )


def define_pipeline(values: flags.FlagValues) -> None:
    """Define the flags of a training with its masks."""
    define_case(values, batch=8)
    define_count("frames", 240, "Frames of the data set.", values)
    define_count("steps", 2, "Training steps per call of the program.", values)


def define_coils(values: flags.FlagValues) -> None:
    """Define the flags of one slice of several coils."""
    define_count("coils", 15, "Coils.", values)
    define_count("height", 640, "Pixels along the readout.", values)
    define_count("width", 368, "Pixels along the phase encoding.", values)
    _define_list(
        "against",
        [],
        f"Peers that are timed in turn, after their results were compared: "
        f"{', '.join(PEERS)}.",
        PEERS.__contains__,
        values,
        least=0,
    )
    flags.DEFINE_bool("json", False, "Print JSON.", flag_values=values)
    _define_output(values, required=False)


def define_growth(values: flags.FlagValues) -> None:
    """Define the flags of the growth with a network's size."""
    _define_output(values, required=True)
    flags.DEFINE_bool(
        "quick", False, "Take a minute, with tiny networks.", flag_values=values
    )
    _define_list(
        "axes",
        list(growth.RANGES),
        f"Settings that are varied, of {', '.join(growth.RANGES)}.",
        growth.RANGES.__contains__,
        values,
    )


def define_gpu(values: flags.FlagValues) -> None:
    """Define the flags of all that a GPU is measured for."""
    _define_output(values, required=True)
    _define_network(values)
    define_count("size", 256, "Pixels a side.", values)
    _define_numbers("batches", gpu.BATCHES, "Frames at once.", values)
    flags.DEFINE_float(
        "budget",
        450.0,
        "Seconds after which no further row is started.",
        flag_values=values,
    )


def define_table(values: flags.FlagValues, batch: int = 4) -> None:
    """Define the flags of a table: sizes, batches and where it goes."""
    _define_numbers("size", [256], "Pixels a side, one number or several.", values)
    _define_numbers("batch", [batch], "Frames at once, one number or several.", values)
    flags.DEFINE_bool("json", False, "Print JSON.", flag_values=values)
    _define_output(values, required=False)


def _define_network(values: flags.FlagValues) -> None:
    define_count("width", 16, "Channels of the network.", values)
    flags.DEFINE_string(
        "architecture",
        "cardiac",
        "Name of a published architecture, or one such as [O5 O8 O8|O1 O1 O2].",
        flag_values=values,
    )


def _define_output(values: flags.FlagValues, required: bool) -> None:
    flags.DEFINE_string(
        "output",
        None,
        "Folder for the results: JSON, Markdown and plots."
        + (" Required." if required else ""),
        required=required,
        flag_values=values,
    )


def define_count(
    name: str, default: int, meaning: str, values: flags.FlagValues
) -> None:
    """Define a flag of a whole number above 0."""
    flags.DEFINE_integer(name, default, meaning, lower_bound=1, flag_values=values)


def _define_numbers(
    name: str, default: Sequence[int], meaning: str, values: flags.FlagValues
) -> None:
    """Define a flag of whole numbers above 0, such as `--batch=1,4,8`."""
    _define_list(name, [str(number) for number in default], meaning, _is_count, values)


def _define_list(
    name: str,
    default: list[str],
    meaning: str,
    is_known: Callable[[str], bool],
    values: flags.FlagValues,
    least: int = 1,
) -> None:
    flags.DEFINE_list(name, default, meaning, flag_values=values)
    flags.register_validator(
        name,
        lambda found: len(found) >= least and all(is_known(one) for one in found),
        # absl names the flag and its value before.
        message=meaning,
        flag_values=values,
    )


def _is_count(text: str) -> bool:
    return text.isdecimal() and int(text) > 0


def numbers(texts: Sequence[str]) -> list[int]:
    """Return the whole numbers of such a flag."""
    return [int(text) for text in texts]


def cases(options: Options) -> list[Case]:
    """Return a case for every size and batch that the flags name."""
    architecture = architecture_named(options.architecture)
    paths = int(options.paths) if "paths" in options else 1
    network = options.network if "network" in options else "emrnas"
    strip = options.strip if "strip" in options else 0
    return [
        Case(
            architecture,
            size,
            batch,
            options.width,
            options.precision,
            paths,
            network,
            strip,
        )
        for size, batch in itertools.product(
            numbers(options.size), numbers(options.batch)
        )
    ]
