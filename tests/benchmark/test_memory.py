import pytest

from emrnas_jax.benchmark import jax_steps
from emrnas_jax.benchmark.memory import memory_rows


def test_every_step_is_compared_with_the_fixed_network(case, clock, monkeypatch):
    made = []

    def alphas(own):
        made.append(own.paths)
        return clock.program(20 * own.paths, mib=8 * own.paths)

    monkeypatch.setattr(jax_steps, "training_step", lambda _: clock.program(20, mib=10))
    monkeypatch.setattr(
        jax_steps, "search_weight_step", lambda _: clock.program(22, mib=11)
    )
    monkeypatch.setattr(jax_steps, "search_alpha_step", alphas)
    monkeypatch.setattr(jax_steps, "candidate_pass", lambda _: clock.program(5, mib=2))
    rows = {row["program"]: row for row in memory_rows(case, 3)}
    assert made == [1, 2, 8]
    ratios = {
        name: (row["time_ratio"], row["memory_ratio"]) for name, row in rows.items()
    }
    assert ratios == {
        "fixed network, training": pytest.approx((1, 1)),
        "search, weights, 1 path": pytest.approx((1.1, 1.1)),
        "search, alphas, 1 path": pytest.approx((1, 0.8)),
        "search, alphas, 2 paths": pytest.approx((2, 1.6)),
        "search, alphas, 8 paths (mixture)": pytest.approx((8, 6.4)),
        "search, a candidate's pass": pytest.approx((0.25, 0.2)),
    }
    training = rows["search, weights, 1 path"]["gflop_per_frame"]
    candidate = rows["search, a candidate's pass"]["gflop_per_frame"]
    assert training == pytest.approx(3 * candidate)  # it has no gradients
