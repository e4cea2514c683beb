"""One script: it runs instrumented, and what its trainings do is recorded as events."""
