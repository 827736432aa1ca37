"""The predictor of quality finds additive effects, and says how far it is off."""

import numpy as np
import pytest

from emrnas_jax.nas.quality import fit_quality

CELLS, OPERATIONS = 4, 3


@pytest.fixture
def effects():
    return np.random.default_rng(0).normal(0, 1, (CELLS, OPERATIONS))


def judged(effects, count, noise):
    random = np.random.default_rng(1)
    choices = random.integers(0, OPERATIONS, (count, CELLS))
    exact = 5 + effects[np.arange(CELLS), choices].sum(1)
    return choices, exact + noise * random.normal(size=count)


def test_effects_that_add_up_are_found(effects):
    choices, losses = judged(effects, 60, 0)
    quality = fit_quality(choices, losses, OPERATIONS)
    every = np.stack(np.meshgrid(*[range(OPERATIONS)] * CELLS), -1).reshape(-1, CELLS)
    exact = 5 + effects[np.arange(CELLS), every].sum(1)
    np.testing.assert_allclose(quality.predict(every), exact, atol=0.02)
    assert quality.error < 0.02


def test_noise_is_averaged_over_all_that_have_an_operation(effects):
    choices, losses = judged(effects, 400, 0.5)
    quality = fit_quality(choices, losses, OPERATIONS)
    exact = 5 + effects[np.arange(CELLS), choices].sum(1)
    # Far less than the noise of one, and the error says that of a new one.
    assert np.std(quality.predict(choices) - exact) < 0.15
    assert quality.error == pytest.approx(0.5, rel=0.15)


def test_the_number_of_present_components_is_learned(effects):
    random = np.random.default_rng(5)
    by_count = np.array([4.0, 2.0, 1.0, 0.5, 0.3])

    def exact(choices):
        own = effects[np.arange(CELLS), choices].sum(1)
        return own + by_count[(choices != 0).sum(1)]

    choices, new = random.integers(0, OPERATIONS, (2, 400, CELLS))
    losses = exact(choices) + random.normal(0, 0.05, 400)
    quality = fit_quality(choices, losses, OPERATIONS, absent=0)
    assert np.std(quality.predict(new) - exact(new)) < 0.05
    additive = fit_quality(choices, losses, OPERATIONS)
    assert additive.error > 3 * quality.error


def test_of_noise_alone_nothing_is_predicted():
    random = np.random.default_rng(2)
    choices = random.integers(0, OPERATIONS, (80, CELLS))
    quality = fit_quality(choices, random.normal(size=80), OPERATIONS)
    assert np.std(quality.predict(choices)) < 0.3


def test_a_few_architectures_tell_what_an_operation_is_worth_in_all_cells():
    """Fewer than there are cells and operations: no cell can be told by itself."""
    random = np.random.default_rng(6)
    cells, operations = 12, 6
    worth = random.normal(0, 0.1, operations)
    choices, new = random.integers(0, operations, (2, 30, cells))
    losses = worth[choices].sum(1) + random.normal(0, 0.02, 30)
    quality = fit_quality(choices, losses, operations)
    off = quality.predict(new) - worth[new].sum(1)
    assert np.std(off) < 0.2 * np.std(worth[new].sum(1))


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_very_few_architectures_give_finite_predictions(count):
    random = np.random.default_rng(7)
    choices = random.integers(0, OPERATIONS, (count, CELLS))
    quality = fit_quality(choices, random.normal(size=count), OPERATIONS, absent=0)
    assert np.all(np.isfinite(quality.predict(choices)))
    assert np.isfinite(quality.error)


@pytest.mark.parametrize("absent", [None, 0])
def test_the_error_is_that_of_leaving_each_out(effects, absent):
    """Against refits without each architecture, with the penalty that was chosen."""
    choices, losses = judged(effects, 24, 0.3)
    found = fit_quality(choices, losses, OPERATIONS, absent).error
    present = np.eye(OPERATIONS)[choices]
    free = np.ones((24, 1))
    if absent is not None:
        counts = (choices != absent).sum(1) / CELLS
        curves = np.log(np.maximum(counts, 1 / CELLS)), counts, counts**2
        free = np.column_stack([free, *curves])
    features = np.hstack([free, present.reshape(24, -1) / np.sqrt(10), present.sum(1)])
    penalised = np.arange(features.shape[1]) >= free.shape[1]
    errors = []
    for penalty in np.logspace(-4, 4, 65):
        rests = []
        for left in range(24):
            x, y = (np.delete(own, left, 0) for own in (features, losses))
            # The penalty as rows that ask every penalised value to be zero.
            x = np.vstack([x, np.sqrt(penalty) * np.diag(penalised)])
            y = np.concatenate([y, np.zeros(len(penalised))])
            values = np.linalg.lstsq(x, y, rcond=None)[0]
            rests.append(losses[left] - features[left] @ values)
        errors.append(np.sqrt(np.mean(np.square(rests))))
    assert found == pytest.approx(min(errors), rel=1e-6)
