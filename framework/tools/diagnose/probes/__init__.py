"""Probes: what is measured of a model, its data or a script; they know no kinds of mistakes."""
