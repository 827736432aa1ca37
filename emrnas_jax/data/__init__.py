"""Data sets, folds by subject, and the batches made from them."""
