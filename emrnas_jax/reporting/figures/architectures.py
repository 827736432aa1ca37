"""The pictures of what searches found: diagrams, the choices of the folds, operations.

The words differ with the space: the paper's components are residual-in-residual blocks
of cells, those of the wide space have one body.
"""

from emrnas_jax.nas.space import Architecture, Operation
from emrnas_jax.nas.wide_space import is_wide
from emrnas_jax.reporting.certainty import draws_sentence, moved
from emrnas_jax.reporting.figures.cells import draw_operations, words_of_body
from emrnas_jax.reporting.figures.choices import Choices, draw_choices
from emrnas_jax.reporting.figures.diagram import draw_architecture
from emrnas_jax.reporting.figures.picture import Picture, begins_with, name_of, picture
from emrnas_jax.reporting.numbers import counted
from emrnas_jax.runs.folder import RunFolder
from emrnas_jax.runs.run import Run


def architecture_pictures(run: Run) -> list[Picture]:
    """Draw the network, the folds' choices beside it, and the operations."""
    if run.searched is None:
        return []
    operations = run.searched.architecture.operations
    caption = (
        "The bodies that a component can choose from. A square is a 3×3 convolution "
        "with its dilation, a tall one a convolution of single channels along the "
        "phase encoding. Resolution and width are relative to those of the "
        "component's own maps, which have half the height and width of the image."
        if is_wide(operations)
        else "The operations a cell can choose from (Table 1 of the paper)."
    )
    return [
        *searched_pictures(run),
        picture(
            run,
            "operations",
            draw_operations(operations),
            caption,
            "; ".join(map(_words, operations))
            if is_wide(operations)
            else "The operations with their dilations and connections.",
        ),
    ]


def searched_pictures(run: Run, search: str = "") -> list[Picture]:
    """Draw an architecture and the folds' choices beside it.

    Args:
        run: a run, or a run as of another search of it.
        search: that search's name.
    """
    if run.searched is None:
        return []
    architecture, p = run.searched.architecture, moved(run.searched.probabilities)
    percentages = (
        " The percentage is p of the chosen operation, the mean over folds. "
        + draws_sentence(architecture, p)
        if p is not None
        else ""
    )
    pictures = [
        picture(
            run,
            name_of("architecture", search),
            draw_architecture(architecture, p),
            f"{begins_with(run, search)}{diagram_caption(architecture)}{percentages}",
            f"Architecture {architecture}.",
        )
    ]
    named = [
        Choices(
            f"Fold {fold.number}",
            fold.searched.architecture,
            moved(fold.searched.probabilities),
        )
        for fold in run.folds
        if fold.searched
    ]
    shape = [len(block) for block in architecture.blocks]
    if named and all([len(b) for b in o.architecture.blocks] == shape for o in named):
        total = len(architecture.cells)
        agreed = cells_agreed([one.architecture for one in named])
        agreement = (
            f" The folds agree in {agreed} of {total} cells." if len(named) > 1 else ""
        )
        rule = (
            "and the choice of the run: the best within its budget, of the front of "
            "all folds together."
            if RunFolder(run.path).front(search).is_file()
            else "and the ensemble: the operation with the largest sum of p over the "
            "folds."
        )
        pictures.append(
            picture(
                run,
                name_of("fold_architectures", search),
                draw_choices([*named, Choices("Ensemble", architecture, p)]),
                f"{begins_with(run, search)}What each fold's search chose, {rule}"
                f"{agreement}",
                "; ".join(f"{one.name}: {one.architecture}" for one in named),
            )
        )
    return pictures


def diagram_caption(architecture: Architecture) -> str:
    """Return what the diagram of an architecture shows."""
    if not is_wide(architecture.operations):
        return (
            "Every cell shows its operation: four 3×3 convolutions, each with its "
            "dilation, and an arc for every feature map that is carried past the "
            "next convolution. The cells of a component form a residual-in-residual "
            "block."
        )
    absent = [not own.is_present for block in architecture.chosen for own in block]
    left_out = (
        f" {sum(absent)} of {len(absent)} components "
        f"{'is' if sum(absent) == 1 else 'are'} left out."
        if any(absent)
        else ""
    )
    return (
        "Every component shows its body: what stands between its first and its last "
        "convolution, 3×3 convolutions with their dilations, whose result is added "
        "to the features of the first one. All of it runs on maps of half the height "
        "and width of the image, whose squares of 2×2 pixels are channels; resolution "
        f"and width are relative to these maps.{left_out}"
    )


def _words(operation: Operation) -> str:
    convolutions = counted(len(operation.dilations), "convolution")
    words = words_of_body(operation)
    has_any = operation.is_present and operation.dilations
    parts = [convolutions, words] if has_any and words else [words or convolutions]
    return f"{operation.name}: {', '.join(parts)}"


def cells_agreed(architectures: list[Architecture]) -> int:
    """Count the cells in which all architectures choose the same operation."""
    names = (
        [operation.name for block in one.chosen for operation in block]
        for one in architectures
    )
    return sum(len(set(cell)) == 1 for cell in zip(*names, strict=True))
