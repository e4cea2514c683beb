"""What `Trainer.fit` is made of: its loop, what surrounds it, and what it counts and logs."""
