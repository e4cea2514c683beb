"""Checkpoints: their format, and the way from a training to a file and back."""
