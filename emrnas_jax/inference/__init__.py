"""Trained networks at work on new scans."""

from emrnas_jax.inference.apply import reconstruct_kspace
from emrnas_jax.inference.trained import TrainedNetwork, load_model

__all__ = ["TrainedNetwork", "load_model", "reconstruct_kspace"]
