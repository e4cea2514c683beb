"""``firstlight starters``: list the starters of projects, or copy one."""

from firstlight.tools.cli import text
from firstlight.tools.cli.command import Args, Command, Options, option
from firstlight.tools.cli.errors import UsageError, nearest, usage_errors
from firstlight.tools.cli.text import tell


class Starters(Command):
    """List the starters, short scripts to begin a project with; or copy one and its page to a
    folder.

      firstlight starters
      firstlight starters diffusion && python diffusion.py
    """

    options: Options = (
        option("name", "of the starter to copy", nargs="?"),
        option("--directory DIR", "where the files are written", "."),
    )

    def run(self, args: Args) -> int:
        """List them, or copy one."""
        from firstlight.tools.starters import copy_starter, starters

        found = starters()
        if args.name is None:
            tell(text.table(found.items()))
            return 0
        if args.name not in found:
            raise UsageError(f"unknown starter {args.name!r}{nearest(args.name, found)}")
        with usage_errors(kinds=(OSError,)):
            script, *others = copy_starter(args.name, args.directory)
        tell(f"wrote {script} and {' and '.join(map(str, others))}\nnext: python {script} --help")
        return 0
