"""The programs beside which ours are timed; both are optional dependencies."""

import importlib.util

from emrnas_jax.errors import InputError

PEERS = {"sigpy": "SigPy", "torch": "PyTorch"}  # name of the module, and in words


def require_peer(name: str) -> None:
    """Check that a peer can be imported.

    Args:
        name: key of `PEERS`.

    Raises:
        InputError: it is not installed.
    """
    if importlib.util.find_spec(name) is None:
        raise InputError(
            f"--against={name}: {PEERS[name]} is not installed; "
            "python -m pip install 'emrnas-jax[bench]'"
        )
