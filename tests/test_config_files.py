"""Configs by the name that the command line gives them."""

# pyright: reportOptionalMemberAccess=false, reportAttributeAccessIssue=false

from pathlib import Path

import pytest

from emrnas_jax.config_files import load_config
from emrnas_jax.errors import InputError

CONFIGS = Path(__file__).parent.parent / "configs"


def test_a_variant_follows_a_colon():
    assert load_config(f"{CONFIGS}/demo.py").data.height == 64
    assert load_config(f"{CONFIGS}/demo.py:tiny").data.height == 16


def test_what_is_no_config_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.py: no such config"):
        load_config("configs/none.py")
    with pytest.raises(InputError, match="no variant 'huge'"):
        load_config(f"{CONFIGS}/demo.py:huge")
    (tmp_path / "other.py").write_text("x = 1\n")
    with pytest.raises(InputError, match="no function get_config"):
        load_config(f"{tmp_path}/other.py")
