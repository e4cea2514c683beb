"""One model and its data: a training step, its outputs, its loss, and a short training."""
