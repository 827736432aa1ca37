"""Metrics, the scoring of test frames, comparisons and benchmarks."""
