"""The peers of `benchmark`: the same networks and steps in PyTorch."""
