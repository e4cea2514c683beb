"""Checkpoints: file format, saving and restoring a training, finding the one to resume from."""
