"""Write ``docs/howto/check.md``: what ``firstlight check`` finds, from the kinds themselves.

``python docs/checks.py`` checks the wrong script of each kind, and quotes the finding.
"""

import contextlib
import difflib
import inspect
import io
import json
import sys
import tempfile
from pathlib import Path

from firstlight.tools.cli.main import main
from firstlight.tools.diagnose.kind import Kind, all_kinds

PAGE = Path(__file__).parent / "howto" / "check.md"
START = """\
# What `firstlight check` finds

`firstlight check train.py` runs a training script for a few steps and looks for mistakes: in each
hand-written gradient, the loss, the data, the optimizer and the training loop. It compares every
gradient with differences of forward. If one is wrong, it looks for the line to blame, and tries
small changes of that line: a change that makes the gradient right is shown. For this it runs the
script many times. Assignments at the script's top that take long, such as those that read data, are
computed once; within a function such as `main` they are computed each time.

```console
$ firstlight check train.py                     # all that the script trains
$ firstlight check net.py:Net --data digits     # one model by name
$ firstlight check train.py --language de       # deutsch
$ firstlight check train.py --json
```

| exit code | |
|---|---|
| 0 | nothing wrong |
| 1 | something was found |
| 2 | the command line is wrong |
| 3 | nothing was found, and something could not be judged |

`fl.diagnose.check(model, (x, y))` does the same in Python, the fixture `check_network` in a test
with pytest ([Grading by pytest](grading.md)), and the callback `check` before a training.

Each kind of mistake below is one class in `framework/tools/diagnose/kinds`. It recognises the
mistake and holds an example of it. A plugin adds kinds of its own with the hook `register_checks`
([plugins](../plugins.md)). In the examples, `-` marks the line with the mistake and `+` the cure.
"""


def page() -> str:
    """Return the page."""
    parts = [START]
    for group, kinds in groups().items():
        parts.append(f"\n## {group.capitalize()}")
        parts += [section(kind) for kind in kinds]
    return "\n".join(parts)


def groups() -> dict[str, list[Kind]]:
    """Return the kinds with an example, by the group of their evidence, in alphabetic order."""
    found: dict[str, list[Kind]] = {}
    for _, kind in sorted(all_kinds().items()):
        if kind.wrong:
            about = kind.about[0] if isinstance(kind.about, tuple) else kind.about
            found.setdefault(about.group or "backward", []).append(kind)
    return dict(sorted(found.items()))


def section(kind: Kind) -> str:
    """Return the section about one kind: what it is, the change, and what the check says."""
    first = " ".join(inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0].split())
    found = finding(kind)
    says = [f"> {found['message']}"]
    if found["at"]:
        says.append(f"> `line {found['at']['line']}: {found['at']['code']}`")
    if found["cure"]:
        says.append(f"> `{found['cure']}`")
    quoted = "\n>\n".join(says)
    look = f"\n\nLook at: {kind.look[0]}." if kind.look[0] else ""
    return (
        f"\n### {kind.title[0][0].upper()}{kind.title[0][1:]} (`{kind.name}`)\n\n{first}\n\n"
        f"```diff\n{change(kind)}\n```\n\n{quoted}{look}\n"
    )


def change(kind: Kind) -> str:
    """Return the lines with the mistake and their cure."""
    lines = difflib.ndiff(kind.wrong.splitlines(), kind.right.splitlines())
    return "\n".join(line.rstrip() for line in lines if line[0] in "-+")


def finding(kind: Kind) -> dict:
    """Return what the check says about the wrong script of a kind."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        script = f"{kind.name}.py"  # each its own: Python caches the lines of files by name
        Path(script).write_text(kind.wrong, encoding="utf-8")
        with contextlib.redirect_stdout(io.StringIO()) as told:
            main(["check", script, "--json"])
    report = json.loads(told.getvalue())
    reports = report.get("reports", [report])
    return next(
        one
        for each in reports
        for one in each["findings"] + each["notes"]
        if one["kind"] == kind.name
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
