"""Lines where no bar is seen: at most one a minute, and none beside a bar."""

import io
import sys

import pytest

from emrnas_jax.machine import processes
from emrnas_jax.machine.progress import (
    Pace,
    counted,
    duration,
    said_at_first_call,
    say_without_bars,
)


def test_a_line_is_due_when_the_last_is_a_minute_old(clock):
    pace = Pace(clock)
    found = []
    for seconds in (0, 59, 60, 61, 119, 120, 1000, 1001):
        clock.seconds = float(seconds)
        found.append(pace.is_due())
    assert found == [False, False, True, False, False, True, True, False]


def test_an_urgent_line_does_not_wait_and_the_next_waits_for_it(clock):
    pace = Pace(clock)
    clock.seconds = 50.0
    assert pace.is_due(urgent=True)
    clock.seconds = 70.0
    assert not pace.is_due()
    clock.seconds = 110.0
    assert pace.is_due()


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.04, "0 s"),
        (3.0, "3 s"),
        (4.24, "4.2 s"),
        (9.96, "10 s"),
        (75.0, "75 s"),
        (100.0, "2 min"),
        (59.4 * 60, "59 min"),
        (59.6 * 60, "1 h 0 min"),
        (2 * 3600.0 + 300, "2 h 5 min"),
        (86_340.0, "23 h 59 min"),
        (86_399.0, "1 d 0 h"),
        (200_000.0, "2 d 8 h"),
    ],
)
def test_a_duration_is_said_in_the_units_that_suit_it(seconds, expected):
    assert duration(seconds) == expected


def test_a_long_count_says_once_a_minute_how_far_it_is(said, clock):
    for _ in counted("abcdefgh", 10, "reading", "pages read", 2, clock):
        clock.seconds += 25.0
    assert said == [
        "reading: 5 of 10 pages read, about 2 min left",
        "reading: 8 of 10 pages read, about 50 s left",
    ]


def test_a_short_count_says_nothing(said, clock):
    assert list(counted(range(1000), 1000, "reading", "read", clock=clock)) == list(
        range(1000)
    )
    assert said == []


def test_a_terminal_has_a_bar_and_no_lines(said, clock, monkeypatch):
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(processes, "bars_are_seen", lambda: True)
    for _ in counted("abcd", 6, "reading", "read", 2, clock):
        clock.seconds += 100.0
    say_without_bars("a line")
    assert said == []
    assert "reading: 100%" in terminal.getvalue()
    assert "6/6" in terminal.getvalue()


def test_a_program_says_before_its_first_call_alone_that_it_compiles(said):
    program = said_at_first_call("compiling", lambda x: (list(said), x + 1))
    assert said == []
    assert program(1) == (["compiling"], 2)
    assert program(2) == (["compiling"], 3)


@pytest.mark.parametrize(("terminal", "expected"), [(True, True), (False, False)])
def test_bars_are_seen_on_a_terminal(terminal, expected, monkeypatch):
    class Stream(io.StringIO):
        def isatty(self):
            return terminal

    monkeypatch.setattr(sys, "stderr", Stream())
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    assert processes.bars_are_seen() == expected
