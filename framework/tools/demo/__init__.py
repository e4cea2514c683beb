"""A page in which a trained network runs: one HTML file, with the network in JavaScript."""

from firstlight.tools.demo.writing import Demo, make_demo

__all__ = ["Demo", "make_demo"]
