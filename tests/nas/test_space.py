"""Table 1, its wiring, and the text of architectures."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emrnas_jax.errors import InputError
from emrnas_jax.nas.space import (
    OPERATIONS,
    PRESETS,
    Architecture,
    architecture_named,
    cell_groups,
    sources,
)

CARDIAC = "[O5 O8 O8|O8 O8 O8|O4 O1 O2|O8 O8 O8|O6 O8 O8]"
BRAIN = "[O6 O6 O2|O4 O1 O2|O3 O8 O1|O3 O6 O3|O3 O1 O3]"


# Blocks of one size, 1 to 5 cells each.
blocks = st.integers(1, 5).flatmap(
    lambda cells: st.lists(
        st.tuples(*[st.integers(0, 7)] * cells), min_size=1, max_size=6
    ).map(tuple)
)


def test_table_1_is_every_choice_of_connections_dilated_and_the_dense_one_plain():
    dilated = [o for o in OPERATIONS if o.dilations == (1, 2, 4, 1)]
    plain = [o for o in OPERATIONS if o.dilations == (1, 1, 1, 1)]
    subsets = {
        subset
        for size in (1, 2, 3)
        for subset in itertools.combinations((1, 2, 3), size)
    }
    assert len(dilated) == 7
    assert {o.connections for o in dilated} == subsets
    assert [o.connections for o in plain] == [(1, 2, 3)]
    assert [o.name for o in OPERATIONS] == [f"O{i}" for i in range(1, 9)]
    assert OPERATIONS[7] is plain[0]


@pytest.mark.parametrize(
    ("name", "wiring"),
    [
        ("O1", [(0,), (0, 1), (0, 1, 2), (0, 1, 2, 3)]),
        ("O2", [(0,), (1,), (1, 2), (1, 2, 3)]),
        ("O3", [(0,), (0, 1), (0, 2), (0, 2, 3)]),
        ("O4", [(0,), (0, 1), (0, 1, 2), (0, 1, 3)]),
        ("O5", [(0,), (0, 1), (0, 2), (0, 3)]),
        ("O6", [(0,), (1,), (1, 2), (1, 3)]),
        ("O7", [(0,), (1,), (2,), (2, 3)]),
        ("O8", [(0,), (0, 1), (0, 1, 2), (0, 1, 2, 3)]),
    ],
)
def test_connections_carry_their_map_to_all_later_convolutions(name, wiring):
    operation = next(o for o in OPERATIONS if o.name == name)
    assert [sources(operation, j) for j in range(4)] == wiring


@pytest.mark.parametrize(("name", "text"), [("cardiac", CARDIAC), ("brain", BRAIN)])
def test_published_architectures_parse_and_print_back(name, text):
    assert str(Architecture.parse(text)) == text
    assert PRESETS[name] == architecture_named(name) == architecture_named(text)
    assert [len(block) for block in PRESETS[name].blocks] == [3] * 5


@given(blocks)
def test_parse_and_print_are_inverse(blocks):
    architecture = Architecture(blocks)
    assert Architecture.parse(str(architecture)) == architecture
    width = len(blocks[0])
    assert Architecture.from_cells(architecture.cells, width) == architecture


@given(blocks, st.sampled_from(["  ", "\n", "\t "]))
def test_white_space_does_not_matter(blocks, space):
    architecture = Architecture(blocks)
    text = space + str(architecture).replace(" ", space).replace("|", f"{space}|")
    assert Architecture.parse(text + space) == architecture


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "brackets"),
        ("O1 O2 O3", "brackets"),
        ("[O1 O2", "brackets"),
        ("[O1][O2]", "brackets"),
        ("[]", "same number"),
        ("[|]", "same number"),
        ("[O1|]", "same number"),
        ("[O1 O2|O3]", "same number"),
        ("[O1 O9]", "'O9'"),
        ("[O0]", "'O0'"),
        ("[o1]", "'o1'"),
        ("[O1,O2]", "'O1,O2'"),
        ("cardiak", "brackets"),
    ],
)
def test_other_text_is_refused_with_what_is_wrong(text, named):
    with pytest.raises(InputError, match=named) as raised:
        architecture_named(text)
    assert repr(text) in str(raised.value)


@given(st.text(alphabet="[]|O189 x", max_size=12))
def test_any_text_is_an_architecture_or_an_input_error(text):
    try:
        architecture = Architecture.parse(text)
    except InputError:
        return
    assert Architecture.parse(str(architecture)) == architecture


def test_cells_that_share_a_choice_follow_one_row():
    assert cell_groups(2, 3, "none") == [0, 1, 2, 3, 4, 5]
    assert cell_groups(2, 3, "block") == [0, 1, 2, 0, 1, 2]
    assert cell_groups(2, 3, "network") == [0] * 6
