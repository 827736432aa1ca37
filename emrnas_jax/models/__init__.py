"""The networks: convolution, cells, cascade (Figures 1 and 2 of the paper)."""
