"""The format of checkpoints, saving and restoring a training, finding what to resume from."""
