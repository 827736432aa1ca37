"""The command that measures latency tables."""
