"""What all tests of reconstruction have in common."""

import sys

import pytest


@pytest.fixture(autouse=True)
def no_notebook(monkeypatch):
    """Forget a kernel of notebooks that another test of this process has imported.

    Programs would take it for a notebook and show progress bars.
    """
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
