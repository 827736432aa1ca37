"""Three stages at once: while one item is computed, the next is read, the last written.

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

    What a stage raises is raised here. However this ends, a reading or writing that
    has begun is waited for: nothing is left half written.

    Args:
        items: read one ahead, by a thread.
        compute: called by the caller's thread.
        write: called by another thread.
    """
    with (
        ThreadPoolExecutor(1, "read") as reader,
        ThreadPoolExecutor(1, "write") as writer,
    ):
        end = object()  # no item
        coming: Future = reader.submit(next, items, end)
        written: Future[Written] | None = None
        while (item := coming.result()) is not end:
            coming = reader.submit(next, items, end)
            computed = compute(item)
            if written is not None:
                yield written.result()
            written = writer.submit(write, computed)
        if written is not None:
            yield written.result()
