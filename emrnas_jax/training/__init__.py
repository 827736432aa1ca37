"""Optimizers, compiled steps, the search (Algorithm 1) and retraining."""
