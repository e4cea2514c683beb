"""One module: its backward compared with its forward, and the change of its source that cures."""
