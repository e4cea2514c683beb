"""``firstlight runs diff``: what two runs do not have in common, line by line."""

import json

from firstlight.runs import compare
from firstlight.support.files import strict
from firstlight.tools.cli import runs, text
from firstlight.tools.cli.text import tell

DESCRIPTION = """\
Show how run B differs from run A: settings, machine and packages, and code, as a diff of the
commits and of what was not committed."""


def run(command, words):
    """Print the differences; returns the exit code."""
    parser = runs.parser(command, DESCRIPTION, "A B [--json]")
    parser.add_argument("run", nargs=2, metavar="RUN", help="the two runs")
    parser.add_argument("--json", action="store_true", help="tell it as JSON")
    own = parser.parse_args(words)
    a, b = (runs.one(name, own) for name in own.run)
    found = {
        "settings": compare.settings_changed(a, b),
        "environment": compare.environment_changed(a, b),
        "code": compare.code_changed(a, b),
    }
    if own.json:
        tell(json.dumps(strict({"runs": [a.label, b.label]} | found), indent=2))
        return 0
    tell(f"--- {a.label}\n+++ {b.label}")
    for title in ("settings", "environment"):
        tell(f"\n{title}: {'the same' if not found[title] else ''}".rstrip())
        if found[title]:
            rows = [(n, *(text.number(v) for v in pair)) for n, pair in found[title].items()]
            tell(text.table([(n, before, "->", after) for n, before, after in rows], indent="  "))
    tell(f"\ncode: {'' if found['code'] else 'the same'}".rstrip())
    tell("\n".join(found["code"]), end="\n" * bool(found["code"]))
    return 0
