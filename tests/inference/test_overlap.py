"""Three stages at once. Waiting is for events, never for time."""

import threading

import pytest

from emrnas_jax.inference.overlap import overlapped

PATIENCE = 30  # seconds, for what never comes where stages do not overlap


def test_every_item_passes_all_stages_in_order():
    found = overlapped(iter(range(5)), lambda x: x * 10, lambda x: x + 1)
    assert list(found) == [1, 11, 21, 31, 41]
    assert list(overlapped(iter([]), str, str)) == []


def test_the_next_is_read_and_the_last_written_while_one_is_computed():
    reading = [threading.Event() for _ in range(4)]
    computing = [threading.Event() for _ in range(3)]
    main = threading.get_ident()

    def read():
        for i in range(3):
            reading[i].set()
            assert threading.get_ident() != main
            yield i
        reading[3].set()

    def compute(i):
        assert threading.get_ident() == main
        computing[i].set()
        assert reading[i + 1].wait(PATIENCE)
        return i

    def write(i):
        assert threading.get_ident() != main
        assert i == 2 or computing[i + 1].wait(PATIENCE)
        return i

    assert list(overlapped(read(), compute, write)) == [0, 1, 2]


def test_at_most_three_items_are_held():
    held, most = set(), []

    def read():
        for i in range(20):
            held.add(i)
            most.append(len(held))
            yield i

    def write(i):
        held.remove(i)

    list(overlapped(read(), lambda i: i, write))
    assert max(most) <= 3


@pytest.mark.parametrize("stage", ["read", "compute", "write"])
def test_what_a_stage_raises_is_raised_after_what_had_begun_is_written(stage):
    written = []

    def fail(name, i):
        if name == stage and i == 2:
            raise KeyboardInterrupt

    def read():
        for i in range(9):
            fail("read", i)
            yield i

    def compute(i):
        fail("compute", i)
        return i

    def write(i):
        fail("write", i)
        written.append(i)

    with pytest.raises(KeyboardInterrupt):
        list(overlapped(read(), compute, write))
    assert written[:2] == [0, 1]
    assert max(written) <= 3
    assert not [t for t in threading.enumerate() if t.name.startswith(("read", "writ"))]


def test_closing_it_early_waits_for_what_had_begun():
    written = []
    stages = overlapped(iter(range(9)), lambda i: i, written.append)
    next(stages)
    stages.close()
    assert written in ([0], [0, 1])
    assert not [t for t in threading.enumerate() if t.name.startswith(("read", "writ"))]
