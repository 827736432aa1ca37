"""The physics: Fourier transforms, sampling masks and data consistency."""
