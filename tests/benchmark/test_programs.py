import jax.numpy as jnp
import pytest

from emrnas_jax.benchmark.programs import compiled, compiled_step, median_ms


def test_the_times_are_medians_without_the_first_round(clock):
    durations = iter([0.9, 0.002, 0.001, 0.004])

    def slow_at_first():
        clock.now += next(durations)

    other = clock.program(7)
    found = median_ms([slow_at_first, other.run], repeats=3)
    assert found == pytest.approx([2, 7])


def test_programs_take_turns():
    order = []
    median_ms([lambda: order.append("a"), lambda: order.append("b")], repeats=1)
    assert order == ["a", "b", "a", "b"]


def test_a_run_replaces_the_last_arguments_it_is_given():
    program = compiled(lambda a, b, c: a + 10 * b + 100 * c, *jnp.arange(1.0, 4))
    assert program.run() == 321
    assert program.run(jnp.array(5.0)) == 521
    assert program.run(jnp.array(6.0), jnp.array(5.0)) == 561
    assert program.compile_s > 0
    assert program.temporary_mib >= 0


def test_a_step_goes_on_from_its_last_state_and_keeps_the_first():
    start = {"count": jnp.array(3.0)}
    step = compiled_step(
        lambda state, rate: {"count": state["count"] + rate}, start, jnp.array(1.0)
    )
    assert step.run()["count"] == 4
    assert step.run(jnp.array(0.5))["count"] == 4.5
    assert start["count"] == 3  # its memory was not taken over
