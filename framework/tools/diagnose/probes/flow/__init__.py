"""Samples of a script: it runs on arrays that know which sample each entry belongs to."""
