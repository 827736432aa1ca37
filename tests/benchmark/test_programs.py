import jax.numpy as jnp

from emrnas_jax.benchmark.programs import compiled, compiled_step


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
