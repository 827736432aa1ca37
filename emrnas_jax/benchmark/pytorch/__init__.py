"""The same networks and steps in PyTorch, to compare with."""
