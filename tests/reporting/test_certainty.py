"""When a choice is called close to a draw, and where a report says so."""

from dataclasses import replace

import numpy as np
import pytest

from emrnas_jax.nas.space import Architecture
from emrnas_jax.reporting import certainty
from emrnas_jax.reporting.figures.architectures import architecture_pictures
from emrnas_jax.reporting.studies.architectures import architecture_table
from emrnas_jax.runs.run import read_run

pytestmark = pytest.mark.slow


def p_with(*largest, operations=8):
    """p of cells whose first operation has the largest, the others alike."""
    first = np.asarray(largest)[:, None]
    rest = np.repeat((1 - first) / (operations - 1), operations - 1, axis=1)
    return np.concatenate([first, rest], axis=1)


def first_operation(cells):
    return Architecture(((0,) * cells,))


def test_a_choice_is_close_to_a_draw_within_a_tenth_of_the_way_to_certainty():
    p = p_with(0.125, 0.14, 0.212, 0.213, 0.5, 1.0)
    assert certainty.uniform(p) == 0.125
    assert certainty.draw_limit(p) == pytest.approx(0.2125)
    near = certainty.near_draw(first_operation(6), p)
    assert near.tolist() == [True, True, True, False, False, False]


@pytest.mark.parametrize(("operations", "limit"), [(2, 0.55), (9, 0.2), (16, 0.15625)])
def test_the_limit_follows_the_number_of_operations(operations, limit):
    p = p_with(0.9, operations=operations)
    assert certainty.draw_limit(p) == pytest.approx(limit)


def test_with_one_operation_there_is_nothing_to_draw():
    assert not certainty.near_draw(first_operation(2), np.ones((2, 1))).any()


def test_it_is_p_of_the_chosen_operation_that_counts():
    """Of the ensemble it need not be the largest of a fold."""
    p = p_with(0.6, 0.6)
    found = certainty.chosen(Architecture(((0, 3),)), p)
    np.testing.assert_allclose(found, [0.6, 0.4 / 7])


@pytest.mark.parametrize(
    ("largest", "begin"),
    [
        ((0.5, 0.6), "No choice is close to a draw: none has a p below 21.3"),
        ((0.14, 0.6), "1 of 2 choices is close to a draw, with a p below 21.3"),
        ((0.14, 0.13), "2 of 2 choices are close to a draw, with a p below 21.3"),
    ],
)
def test_the_sentence_counts_and_gives_the_uniform_value(largest, begin):
    text = certainty.draws_sentence(first_operation(2), p_with(*largest))
    assert text.startswith(begin)
    assert "a uniform choice (12.5\u00a0%)" in text


def test_the_captions_of_a_run_say_it(template):
    run = read_run(template)
    assert run.searched is not None
    p = np.full_like(run.searched.probabilities, 1 / 8)
    searched = replace(run.searched, probabilities=p)
    drawn, *_ = architecture_pictures(replace(run, searched=searched))
    assert "15 of 15 choices are close to a draw" in drawn.caption
    found, *_ = architecture_pictures(run)
    assert "close to a draw" in found.caption
    assert "15 of 15" not in found.caption


def test_the_table_of_architectures_has_p_beside_the_uniform_value(compared):
    run = read_run(compared)
    table = architecture_table(run)
    assert table is not None
    column = table.header.index("p of the choices")
    rows = {(row[0].text, row[1].text): row[column].text for row in table.rows}
    searched = run.folds[1].searched
    assert searched is not None
    assert searched.probabilities is not None
    assert rows["Search of A", "Fold 2"] == certainty.chosen_text(
        searched.architecture, searched.probabilities
    )
    assert rows["Drawn at random", "All folds"] == "–"
    assert "A uniform choice has 12.5\u00a0%" in table.caption
    assert certainty.chosen_text(first_operation(2), p_with(0.14, 0.6)) == (
        "14\u00a0% to 60\u00a0%; 1 of 2 close to a draw"
    )
    assert certainty.chosen_text(first_operation(1), p_with(0.6)).startswith(
        "60\u00a0%;"
    )
