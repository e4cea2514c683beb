"""Probes: what is measured of a model, its data or a script; they know no kinds of mistakes.

Each folder is about one subject: a script, its steps, its samples' flow, its optimizers, a model,
one module, and edits of source. What several use is here.
"""
