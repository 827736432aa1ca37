"""Readers of image and k-space files, and how a file is recognised."""
