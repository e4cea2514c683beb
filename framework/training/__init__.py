"""The parts of `Trainer.fit`: loop, set-up, progress, metrics and hooks."""
