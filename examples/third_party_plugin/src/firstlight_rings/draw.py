"""The command ``firstlight rings``: the data set as text."""

import numpy as np

from firstlight.tools.cli.command import Command, option
from firstlight_rings.data import load_rings


class RingsDraw(Command):
    """Draw the rings with letters: o for the inner one, + for the outer one."""

    options = (
        option("--samples N", "points to draw", 400),
        option("--noise SIGMA", "standard deviation of the distance from a circle", 0.1),
    )

    def run(self, args):
        """Print 21 lines of 41 characters; return the exit code."""
        x, y = load_rings(samples=args.samples, noise=args.noise).train.arrays  # (N, 2), (N,)
        column, row = np.clip(np.rint((x + 2.5) * (8, 4)), 0, (40, 20)).astype(int).T  # (N,) each
        canvas = np.full((21, 41), " ")
        canvas[row, column] = np.where(y == 0, "o", "+")
        print("\n".join("".join(line).rstrip() for line in canvas))
        return 0
