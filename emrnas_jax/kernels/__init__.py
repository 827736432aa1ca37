"""Convolutions: C++ kernels for the CPU, and those of XLA for every device."""
