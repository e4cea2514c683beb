"""Kinds of mistakes, each a class; see `firstlight.tools.diagnose.kind`."""
