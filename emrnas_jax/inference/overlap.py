"""Read, compute and write at once, three items at most.

Reading and writing have a thread each; computing stays in the caller's, so Ctrl-C ends
it, and all that is printed is printed there. At most three items are held: the one that
is computed, the one read ahead and the one that is being written.
"""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Computed = TypeVar("Computed")
Written = TypeVar("Written")


def overlapped(
    items: Iterator[Item],
    compute: Callable[[Item], Computed],
    write: Callable[[Computed], Written],
) -> Generator[Written, None, None]:
    """Yield `write(compute(item))` for every item, in order.

    An exception of a stage is raised here. However this ends, a reading or writing that
    has begun is waited for: nothing is left half written.

    Args:
        items: iterator that a thread reads one item ahead.
        compute: function that the caller's thread calls.
        write: function that another thread calls.
    """
    with (
        ThreadPoolExecutor(1, "read") as reader,
        ThreadPoolExecutor(1, "write") as writer,
    ):
        end = object()  # no item
        coming: Future = reader.submit(next, items, end)
        written: Future[Written] | None = None
        while (item := coming.result()) is not end:
            # Before computing, so that reading and computing overlap.
            coming = reader.submit(next, items, end)
            computed = compute(item)
            if written is not None:
                # The last item, whose writing had the time of a computation.
                yield written.result()
            written = writer.submit(write, computed)
        if written is not None:
            yield written.result()
