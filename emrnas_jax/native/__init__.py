"""Kernels in C++ for the CPU, compiled for the machine at hand on first use."""
