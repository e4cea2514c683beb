"""``firstlight warm-up``: compile ahead."""

import time

from firstlight.tools.cli.command import Args, Command
from firstlight.tools.cli.text import tell


class WarmUp(Command):
    """Compile all that trainings of our models need, which takes about a minute. The code stays in
    the user's cache folder. Without this command, the first fit does it in the background.
    """

    def run(self, args: Args) -> int:
        """Compile, and tell what was new."""
        from firstlight.tools.warm_up import compile_all

        start = time.monotonic()
        new, folder = compile_all()
        if new:
            tell(f"compiled {new} functions in {time.monotonic() - start:.0f} s: {folder}")
        else:
            tell(f"all is compiled: {folder}")
        return 0
