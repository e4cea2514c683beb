"""The exercises of the course, one per file."""
