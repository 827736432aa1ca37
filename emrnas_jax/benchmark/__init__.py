"""Measure speed and memory of the compiled programs, beside those of PyTorch."""
