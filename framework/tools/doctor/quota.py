"""Quotas of the user's folders, as the command ``quota`` shows them."""

import re
import shutil
import subprocess
from collections.abc import Iterator

from firstlight.tools.doctor.finding import Finding, fault, ok, warning

PATIENCE = 3.0  # seconds; the command asks file servers
NEARLY = 0.9


def quotas() -> Iterator[Finding]:
    """Yield a finding for each file system whose quota is used up, or nearly."""
    if not shutil.which("quota"):
        return
    try:
        done = subprocess.run(
            ["quota", "-w"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE,
        )
    except (OSError, subprocess.SubprocessError):
        return
    problems = 0
    for line in done.stdout.splitlines():
        for used, soft, hard, what in amounts(line):
            most = soft or hard
            if not most or used < NEARLY * most:
                continue
            problems += 1
            yield (fault if used >= most else warning)(
                "quota",
                "quota-exceeded" if used >= most else "quota-nearly",
                f"{line.split()[0]}: {used:,} of {most:,} {what} are used",
                "what is written beyond the limit is lost: checkpoints, logs, caches",
                "delete files (du -xh --max-depth 2 ~ | sort -h | tail shows the largest folders), "
                "or ask for more",
            )
    if not problems and done.stdout.strip():
        yield ok("quota", "not used up")


def amounts(line: str) -> list[tuple[int, int, int, str]]:
    """Return ``(used, soft limit, hard limit, unit)`` of blocks and files in a line of ``quota``.

    Examples
    --------
    >>> from firstlight.tools.doctor.quota import amounts
    >>> amounts("nas:/home  9500* 9000 10000 6days  120 0 0")
    [(9500, 9000, 10000, 'blocks of 1 kB'), (120, 0, 0, 'files')]
    """
    words = line.split()[1:]
    numbers = [int(word.rstrip("*")) for word in words if re.fullmatch(r"\d+\*?", word)]
    if len(numbers) != 6:
        return []
    return [(*numbers[:3], "blocks of 1 kB"), (*numbers[3:], "files")]
