"""Plain helpers that any part may import: devices, randomness, files, a module's state."""
