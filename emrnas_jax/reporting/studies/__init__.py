"""Comparisons of networks within a run and across runs."""
