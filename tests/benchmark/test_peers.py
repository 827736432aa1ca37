"""Peers that are not installed are named with the way to install them."""

import pytest

from emrnas_jax.benchmark import peers
from emrnas_jax.errors import InputError


@pytest.mark.parametrize(("peer", "name"), peers.PEERS.items())
def test_a_missing_peer_is_named(peer, name, monkeypatch):
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=f"--against={peer}: {name} is not installed"):
        peers.require_peer(peer)
