"""The front of a search: quality against time, of candidates and of the best."""

from matplotlib.figure import Figure

from emrnas_jax.reporting.colours import series_colour
from emrnas_jax.reporting.figures.picture import FAINT, Picture, picture
from emrnas_jax.reporting.numbers import number
from emrnas_jax.runs.folder import RunFolder
from emrnas_jax.runs.front import Front, read_front
from emrnas_jax.runs.run import Run


def front_pictures(run: Run, search: str = "") -> list[Picture]:
    """Draw the front of a search that made one.

    Args:
        run: the run.
        search: name of the search; "" for the run's first.

    Raises:
        InputError: the file of the front is damaged.
    """
    path = RunFolder(run.path).front(search)
    if not path.is_file():
        return []
    front = read_front(path)
    chosen = next(own for own in front.points if own.architecture == front.chosen)
    within = (
        f"within {number(front.budget_ms, 1)} ms" if front.budget_ms else "of any time"
    )
    return [
        picture(
            run,
            f"front_{search}" if search else "front",
            draw_front(front),
            f"Quality on S_val against time on {front.device}. Dots are the "
            f"{len(front.judged)} candidates, judged with shared weights; the line "
            "joins architectures that no other one beats in predicted quality and "
            f"time. The run takes the best {within}, {front.chosen}: "
            f"{number(chosen.ms, 2)} ms and {number(chosen.gain_db, 2)} dB beside the "
            "average candidate. The prediction of a candidate that it was not fitted "
            f"to is {number(front.error_db, 2)} dB off.",
            f"Quality against time of {len(front.judged)} candidates and the front.",
        )
    ]


def draw_front(front: Front) -> Figure:
    """Draw candidates, front, choice and budget."""
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.scatter(
        [own.ms for own in front.judged],
        [own.gain_db for own in front.judged],
        s=10,
        color=FAINT,
        label="Candidates, judged",
    )
    axes.plot(
        [own.ms for own in front.points],
        [own.gain_db for own in front.points],
        marker="o",
        markersize=4,
        color=series_colour(0),
        label="Front, predicted",
    )
    chosen = next(own for own in front.points if own.architecture == front.chosen)
    axes.plot(
        *(chosen.ms, chosen.gain_db),
        marker="D",
        markersize=8,
        linestyle="",
        color=series_colour(1),
        label="Chosen",
    )
    if front.budget_ms:
        axes.axvline(
            front.budget_ms, color=series_colour(1), linestyle=":", label="Budget"
        )
    axes.set_xlabel("milliseconds per frame, predicted")
    axes.set_ylabel("dB beside the average candidate")
    axes.legend(loc="lower right")
    return figure
