"""One key per random decision, derived from the seed and what the key is for.

Nothing here depends on the process, the clock or the order of calls, so a run that
was stopped and continued, or started on other devices, draws the same numbers.
"""

import zlib

import jax


def key_for(seed: int, *purpose: str | int) -> jax.Array:
    """Return the key of one decision.

    Args:
        seed: the run's seed.
        purpose: what the key is for, for example `"mask", "train", epoch`. Words and
            numbers; the order counts.
    """
    key = jax.random.key(seed)
    for word in purpose:
        number = word if isinstance(word, int) else zlib.crc32(word.encode())
        key = jax.random.fold_in(key, number)
    return key
