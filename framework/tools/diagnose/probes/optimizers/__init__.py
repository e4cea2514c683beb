"""The user's optimizers: recorded, run on known gradients, and compared with update rules."""
