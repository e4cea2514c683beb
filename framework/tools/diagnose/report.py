"""Report: what a check found, and its table in a terminal."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from firstlight.tools.diagnose.kind import UNJUDGED, Evidence, Finding, all_kinds, ask, in_language
from firstlight.tools.diagnose.probes.raised import Failure
from firstlight.tools.diagnose.rich_text import as_html, escaped, marked, plain_text, table
from firstlight.tools.language import say

KINDS = {  # of findings, with their names in a report
    "not-registered": "part not registered",
    "random": "forward is not repeatable",
}

LOOK = {  # hints of the kinds whose findings share one
    "not-registered": "the attribute named: attributes, lists, tuples and dicts register parts"
}

MARKS = {  # of a verdict in the table: style and word
    "ok": ("green", "ok"),
    "wrong": ("bold red", "WRONG"),
    "note": ("yellow", "note"),
    "unjudged": ("yellow", "not judged"),
    "skipped": ("dim", "-"),
}


@dataclass
class Check:
    """One line of the report's table: the subject of a check, and the verdict.

    Attributes
    ----------
    group, subject, verdict, detail : str
        The verdict is "ok", "wrong", "note", "unjudged" or "skipped".
    """

    group: str
    subject: str
    verdict: str = "ok"
    detail: str = ""


@dataclass
class Report:
    """The result of a check; prints as a table with one sentence for each finding.

    Attributes
    ----------
    model, data : str
    checks : list of Check
    all : list of Finding
        Findings and notes.
    seconds : float
    """

    model: str
    data: str = ""
    checks: list[Check] = field(default_factory=list)
    all: list[Finding] = field(default_factory=list)
    seconds: float = 0.0
    kinds: list[tuple[Check, set[str]]] = field(default_factory=list, repr=False)  # of each line

    @property
    def findings(self) -> list[Finding]:
        """The findings without the notes."""
        return [one for one in self.all if not one.note]

    @property
    def notes(self) -> list[Finding]:
        """The notes."""
        return [one for one in self.all if one.note]

    @property
    def ok(self) -> bool:
        """Whether there are no findings, and all could be judged."""
        return not self.findings

    @property
    def exit_code(self) -> int:
        """0 without findings, 3 if all are about something that could not be judged, else 1."""
        return 0 if self.ok else 3 if len(self.unjudged) == len(self.findings) else 1

    @property
    def unjudged(self) -> list[Finding]:
        """The findings that something could not be judged."""
        return [one for one in self.findings if one.kind == UNJUDGED]

    def examine(self, evidence: Evidence) -> list[Finding]:
        """Ask the kinds that are about evidence of this class; add a line with their findings."""
        found = ask(evidence)
        self.add(evidence.group, evidence.subject, found, evidence.detail, evidence.verdict)
        return found

    def add(
        self,
        group: str,
        subject: str,
        findings: Iterable[Finding | None] = (),
        detail: str = "",
        verdict: str | None = None,
    ) -> None:
        """Add a line to the table with its findings, which make the verdict unless it is given."""
        findings = [one for one in findings if one is not None]
        told = [one.kind for one in findings if not one.note]
        wrong = "unjudged" if set(told) == {UNJUDGED} else "wrong"
        found = wrong if told else "note" if findings else "ok"
        self.checks.append(Check(group, subject, verdict or found, detail))
        self.kinds.append((self.checks[-1], {one.kind for one in findings}))
        for one in findings:
            if not self._is_known(one):
                self.all.append(one)

    @contextmanager
    def judging(self, subject: str, group: str = "health") -> Iterator[None]:
        """Turn an exception inside the block into a finding that the subject was not judged."""
        try:
            yield
        except Exception as error:
            self.examine(Failure(error, group, subject, where=""))

    def _is_known(self, finding: Finding) -> bool:
        """Add the place to an earlier finding about the same line; return whether there is one."""
        for one in self.all if finding.at is not None and finding.type else ():
            if (one.kind, one.type, one.at, one.gradient, one.note) == (
                finding.kind,
                finding.type,
                finding.at,
                finding.gradient,
                finding.note,
            ):
                also = in_language(("; the same in {where}", "; ebenso in {where}"))
                one.message += also.format(where=finding.where)
                return True
        return False

    def skip(self, group: str, subject: str, why: str) -> None:
        """Add a line about a check that was not made."""
        self.checks.append(Check(group, subject, "skipped", why))

    def drop_consequences(self, others: Iterable[str] = ()) -> None:
        """Remove the findings that follow from others, or from kinds that were found elsewhere.

        Of findings of one kind at the same line, as of a class that is used twice, the first stays.
        """
        known = all_kinds()
        kinds = {*others, *(one.kind for one in self.findings)} & set(known)
        follows = {result for kind in kinds for result in known[kind].causes}
        noted = {*others, *(one.kind for one in self.notes)} & set(known)
        follows |= {result for kind in noted for result in known[kind].excuses}
        hidden = {
            (result, one.where)
            for one in self.findings
            if one.kind in known
            for result in known[one.kind].hides
        }
        by_line = {(f.kind, f.gradient, f.at or n): f for n, f in enumerate(self.all[::-1])}
        first = {id(one) for one in by_line.values()}
        self.all = [
            one
            for one in self.all
            if one.kind not in follows and (one.kind, one.where) not in hidden and id(one) in first
        ]
        for line, found in self.kinds:
            if found and found <= follows:
                line.verdict = "skipped"  # neither right nor the place to look

    def to_dict(self) -> dict[str, Any]:
        """Return everything as dicts and lists for JSON."""
        return {
            "model": self.model,
            "data": self.data,
            "ok": self.ok,
            "seconds": round(self.seconds, 2),
            "findings": [asdict(one) for one in self.findings],
            "notes": [asdict(one) for one in self.notes],
            "checks": [asdict(one) for one in self.checks],
        }

    def __str__(self) -> str:
        return plain_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        lines = table(console)
        for head in ("", "checked", "verdict", "detail"):
            lines.add_column(say(head), overflow="fold")
        group = None
        for line in self.checks:
            shown = say(line.group) if line.group != group else ""
            style, word = MARKS[line.verdict]
            mark = f"[{style}]{say(word)}[/]"
            lines.add_row(shown, escaped(say(line.subject)), mark, escaped(line.detail))
            group = line.group
        yield lines
        for one in self.findings:
            yield marked(f"[bold red]{title(one.kind)}[/], {escaped(say(one.place))}")
            yield marked(f"  {escaped(one.message)}")
            if one.at is not None:
                yield marked(f"  {escaped(str(one.at))}: [bold]{escaped(one.at.code)}[/]")
            if one.cure:
                yield marked(f"  {say('with this line it is right')}: [bold]{escaped(one.cure)}[/]")
            if one.next:
                yield marked(f"  {say('look at')}: {escaped(one.next)}")
        for one in self.notes:
            yield marked(f"[yellow]{say('note')}[/]: {escaped(one.message)}")
        count = len(self.findings)
        verdict = say("nothing wrong")
        if count:
            verdict = f"{count} {say('findings' if count > 1 else 'finding')}"
        elif any(line.verdict == "unjudged" for line in self.checks):
            verdict = say("nothing wrong in what could be judged")
        if self.exit_code == 3:
            verdict = say("not judged")
        where = f" {say('on')} {escaped(self.data)}" if self.data else ""
        yield marked(f"{escaped(self.model)}{where}: {verdict}, {self.seconds:.1f} s")


def title(kind: str) -> str:
    """Return the name of a kind in a report, in the current language."""
    return in_language(all_kinds()[kind].title) if kind in all_kinds() else KINDS[kind]


def hint(kind: str) -> str:
    """Return what to look at next for a kind, in the current language."""
    return in_language(all_kinds()[kind].look) if kind in all_kinds() else LOOK.get(kind, "")
