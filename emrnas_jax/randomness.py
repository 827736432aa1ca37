"""One key per random decision, derived from the seed and the purpose of the key.

Nothing here depends on the process, the clock or the order of calls, so a run that
was stopped and continued, or started on other devices, draws the same numbers.
"""

import zlib

import jax


def key_for(seed: int, *purpose: str | int) -> jax.Array:
    """Return the key of one decision.

    Args:
        seed: the run's seed.
        purpose: words and numbers that say what is drawn, for example `"mask", "train",
            epoch`; their order counts.
    """
    key = jax.random.key(seed)
    for word in purpose:
        # Not `hash`: Python salts it anew in every process.
        number = word if isinstance(word, int) else zlib.crc32(word.encode())
        key = jax.random.fold_in(key, number)
    return key
