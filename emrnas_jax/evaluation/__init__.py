"""Metrics, their conventions, and the scoring of test frames."""
