"""Sources of images, folds by subject, and the batches made from them."""
