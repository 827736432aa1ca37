"""What a report says of the commands that worked on its run."""

from dataclasses import replace

import pytest
from msgspec import structs

from emrnas_jax.reporting.commands import command_facts, command_table
from emrnas_jax.reporting.html_parts import to_html
from emrnas_jax.reporting.markup import to_latex
from emrnas_jax.reporting.words import facts
from emrnas_jax.runs.provenance import Command
from emrnas_jax.runs.run import read_run

SEARCH = Command(
    command="python -m emrnas_jax.main --stage=search",
    began="2026-11-27T23:58:12+00:00",
    seconds=60.0,
    emrnas_jax="0.1.0",
    jax="0.10.2",
    python="3.11.7",
    device="Fast One, 2 logical cores",
)
# In Tokyo it was the day after.
AGAIN = structs.replace(SEARCH, began="2026-11-28T09:30:00+09:00", seconds=65.0)
ELSEWHERE = structs.replace(SEARCH, seconds=86_400.0, jax="0.12.0", device="8 x H100")
LAST = structs.replace(
    ELSEWHERE, command="run_protocol", began="2026-11-30T01:00:00+00:00"
)


@pytest.fixture
def content(template):
    commands = (SEARCH, AGAIN, ELSEWHERE, LAST)
    return replace(read_run(template), commands=commands)


def test_the_total_is_the_sum_over_commands_and_the_dates_are_utc(content):
    found = command_facts(content)
    assert found["Date"] == "2026-11-27 to 2026-11-30"
    assert found["Total time"] == "2\u00a0d\u00a00\u00a0h"
    one_day = replace(content, commands=(SEARCH, AGAIN))
    assert command_facts(one_day)["Total time"] == "2\u00a0min"
    assert command_facts(replace(content, commands=(AGAIN,)))["Date"] == "2026-11-28"


def test_every_device_and_version_is_named_once(content):
    found = command_facts(content)
    assert found["Device"] == "Fast One, 2 logical cores; 8 x H100"
    assert found["Versions"].replace("\u00a0", " ") == (
        "emrnas_jax 0.1.0, JAX 0.10.2, Python 3.11.7; "
        "emrnas_jax 0.1.0, JAX 0.12.0, Python 3.11.7"
    )
    assert facts(content)["Device"] == found["Device"]


def test_starts_of_one_command_are_one_row(content):
    rows = [
        [cell.text.replace("\u00a0", " ") for cell in row]
        for row in command_table(content).rows
    ]
    assert [row[3] for row in rows] == [SEARCH.command, SEARCH.command, "run_protocol"]
    assert rows[0][:3] == ["2026-11-27 23:58", "2", "2 min"]
    assert rows[1][1:] == [
        "1",
        "1 d 0 h",
        SEARCH.command,
        "emrnas_jax 0.1.0, JAX 0.12.0, Python 3.11.7",
        "8 x H100",
    ]


def test_a_run_without_records_leaves_them_out(content):
    bare = replace(content, commands=())
    assert command_facts(bare) == {}
    assert command_table(bare).rows == ()
    assert facts(bare)["Device"] == "CPU, 2 cores"  # that of results.json


def test_an_option_is_not_broken_at_its_hyphens_on_the_page(content):
    page = to_html(command_table(content))
    assert "emrnas_jax.main <span>--stage=search</span></td>" in page


def test_options_keep_their_two_hyphens_in_latex(content):
    text = to_latex(command_table(content))
    assert "-{}-stage=search" in text
    assert "--stage" not in text
