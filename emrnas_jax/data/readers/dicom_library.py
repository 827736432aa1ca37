"""The one place that looks for pydicom, an optional library."""

import importlib.util

from emrnas_jax.errors import InputError


def has_pydicom() -> bool:
    """Return whether pydicom is installed."""
    return importlib.util.find_spec("pydicom") is not None


def require_pydicom() -> None:
    """Raise InputError, with the command that installs it, if pydicom is missing."""
    if not has_pydicom():
        raise InputError(
            "DICOM needs pydicom, which is not installed; run "
            "python -m pip install 'emrnas-jax[dicom]'"
        )
