"""Kinds of mistakes, one file each; see `firstlight.tools.diagnose.kind`."""
