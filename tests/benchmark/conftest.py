"""Programs and ceilings that cost no time, so that tests see figures they know."""

import pytest

from emrnas_jax.benchmark import rows
from emrnas_jax.benchmark.case import Case
from emrnas_jax.benchmark.programs import Program
from emrnas_jax.evaluation.roofline import Ceilings
from emrnas_jax.machine import timing
from emrnas_jax.nas.space import Architecture

CEILINGS = Ceilings(operations=2e11, traffic=1e10)


class Clock:
    """A clock that runs forward only where a fake program says that it worked."""

    def __init__(self):
        self.now = 0.0

    def program(self, milliseconds, mib=1.0, result=None):
        def run(*_):
            self.now += milliseconds / 1e3
            return result

        return Program(run, compile_s=2.0, temporary_mib=mib)


@pytest.fixture
def clock(monkeypatch):
    """The clock by which programs are timed; nobody rests, and ceilings are known."""
    clock = Clock()
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock.now)
    for module in (timing, rows):
        monkeypatch.setattr(module, "rest", lambda: None)
    monkeypatch.setattr(rows, "measure_ceilings", lambda _: CEILINGS)
    return clock


@pytest.fixture(scope="session")
def case():
    return Case(Architecture.parse("[O8]"), size=16, batch=2, width=4)


@pytest.fixture
def row():
    """Return rows of a step as `rows.figures` makes them, without a program."""

    def made(command="reconstruct", size=16, batch=2, step_ms=10.0, **fields):
        return {
            "command": command,
            "size": size,
            "batch": batch,
            "precision": "float32",
            "device": "a device",
            "jax": "0.0",
            "step_ms": step_ms,
            "compile_s": 2.0,
            "temporary_mib": 1.5,
            "frames_per_second": 1e3 * batch / step_ms,
            "parameters": 1234,
            "operations_per_byte": 50.0,
            "gflops_ceiling": 200.0,
            "gbytes_per_second_ceiling": 10.0,
            "arithmetic_fraction": 0.5,
            "memory_fraction": 0.25,
        } | fields

    return made
