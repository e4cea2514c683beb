"""Kind of mistake: the evidence that it judges, how it recognises and names itself, an example.

Each file of `firstlight.tools.diagnose.kinds` defines kinds as subclasses of `Kind`; the definition
registers them. A plugin offers its own with the hook ``register_checks``. The engine knows no kind:
it collects evidence, and asks those that are about evidence of this class.
"""

import functools
import importlib
import linecache
import pkgutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from firstlight import plugins
from firstlight.support.files import from_here
from firstlight.tools.language import current_language

Text = tuple[str, str]  # English, German
UNJUDGED = "unjudged"  # kind of a finding about the check itself


@dataclass(frozen=True)
class Place:
    """A line of the user's source.

    Attributes
    ----------
    file : str
    line : int
        From 1; 0 if unknown.
    code : str
        The line, stripped.
    """

    file: str
    line: int = 0
    code: str = ""

    @classmethod
    def of(cls, file: str, line: int) -> "Place":
        """Return a line of a file with its source."""
        return cls(file, line, linecache.getline(file, line).strip())

    def __str__(self) -> str:
        file = from_here(Path(self.file))
        return f"{file}:{self.line}" if self.line else f"{file}"


@dataclass
class Finding:
    """One mistake, or a note.

    Attributes
    ----------
    kind : str
        The name of a `Kind`.
    where : str
        Name of the module as in `Module.named_modules`, "" for the model itself, or "loss",
        "training_step", "data", "optimizer", "training loop".
    type : str
        Class of the module, "" if it is about no module.
    message : str
        One sentence.
    next : str
        What to look at next.
    gradient : str
        "dx", a parameter's name, or "".
    note : bool
        A note does not count as a finding.
    at : Place or None
        The line to look at.
    cure : str
        What the line should be, if a changed line was tried and is right.
    """

    kind: str
    where: str
    type: str
    message: str
    next: str = ""
    gradient: str = ""
    note: bool = False
    at: Place | None = None
    cure: str = ""

    @property
    def place(self) -> str:
        """The module's name and class, or another place."""
        if not self.type:
            return self.where
        return f"{self.where} ({self.type})" if self.where else self.type


Findings = Iterable[Finding]  # what a kind yields


class Evidence:
    """What was measured about one subject; makes one line of the report's table.

    Attributes
    ----------
    group, subject, detail : str
        Of the line.
    verdict : str or None
        Of the line, if it is not that of the findings.
    where, type, gradient : str
        As in `Finding`, of the findings about it.
    at : Place or None
    competing : bool
        Whether its kinds compete to explain one fact, so that the first explanation counts.
    """

    group: str = ""
    subject: str = ""
    detail: str = ""
    verdict: str | None = None
    where: str = ""
    type: str = ""
    gradient: str = ""
    at: Place | None = None
    competing: bool = False

    def sentence(self, words: str) -> str:
        """Return the message of a finding whose kind contributes some words to it."""
        return words


class Kind:
    """One kind of mistake; a plugin offers its own with the hook ``register_checks``.

    Attributes
    ----------
    name : str
        Short and unique, as in `Finding.kind`.
    about : type, or tuple of types
        The class of `Evidence` that it judges, or several.
    title, look : (str, str)
        The name in a report and what to look at next, in English and German.
    says : dict of str to (str, str)
        Its sentences, English and German, with ``{names}`` of values.
    order : int
        Among competing kinds, lower numbers are asked first.
    causes : set of str
        Names of kinds that follow from this one, and are then not reported.
    hides : set of str
        The same, about the same module only.
    excuses : set of str
        Names of kinds that are not reported beside a note of this one.
    wrong, right : str
        A short training script with the mistake, and without it.
    """

    name: ClassVar[str] = ""
    about: ClassVar[type[Evidence] | tuple[type[Evidence], ...]]
    title: ClassVar[Text]
    look: ClassVar[Text] = ("", "")
    says: ClassVar[dict[str, Text]] = {}
    order: ClassVar[int] = 50
    causes: ClassVar[frozenset[str]] = frozenset()
    hides: ClassVar[frozenset[str]] = frozenset()
    excuses: ClassVar[frozenset[str]] = frozenset()
    wrong: ClassVar[str] = ""
    right: ClassVar[str] = ""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.name and cls.__module__.startswith(_OURS):
            _registered[cls.name] = cls()

    def judge(self, evidence: Any) -> Findings:
        """Yield findings about the evidence."""
        raise NotImplementedError

    def words(self, key: str, **values: Any) -> str:
        """Return one of its sentences in the current language."""
        return in_language(self.says[key]).format(**values)

    def finding(
        self,
        evidence: Evidence,
        key: str,
        *,
        where: str | None = None,
        type: str | None = None,
        gradient: str | None = None,
        at: Place | None = None,
        cure: str = "",
        note: bool = False,
        **values: Any,
    ) -> Finding:
        """Return a finding with the sentence of a key; its place is the evidence's by default."""
        return Finding(
            self.name,
            evidence.where if where is None else where,
            evidence.type if type is None else type,
            evidence.sentence(self.words(key, **values)),
            in_language(self.look),
            evidence.gradient if gradient is None else gradient,
            note,
            at or evidence.at,
            cure,
        )


_OURS = "firstlight.tools.diagnose.kinds."  # these register themselves, a plugin's by its hook
_registered: dict[str, Kind] = {}


def in_language(text: Text) -> str:
    """Return a text in the current language (see `firstlight.tools.language.speaking`)."""
    return text[current_language() == "de"]


@functools.cache
def _load() -> None:
    """Import the package's kinds, and those of plugins."""
    from firstlight.tools.diagnose import kinds

    for module in pkgutil.iter_modules(kinds.__path__):
        importlib.import_module(f"{kinds.__name__}.{module.name}")
    offered = plugins.registry("check")
    for name in offered.names():
        kind = offered.get(name)
        _registered[kind.name] = kind()


def all_kinds() -> dict[str, Kind]:
    """Return the registered kinds by name."""
    _load()
    return dict(_registered)


def kinds_about(evidence: type[Evidence]) -> Iterator[Kind]:
    """Yield the kinds that judge a class of evidence, in their order."""
    about = [kind for kind in all_kinds().values() if issubclass(evidence, kind.about)]
    yield from sorted(about, key=lambda kind: kind.order)


def ask(evidence: Evidence) -> list[Finding]:
    """Return the findings of all kinds about evidence of this class; of competing ones, the first.

    A kind that raises is a finding that it could not judge, unless kinds compete: these try out
    explanations, on which a user's code may raise.
    """
    found: list[Finding] = []
    for kind in kinds_about(type(evidence)):
        try:
            found += kind.judge(evidence)
        except Exception as error:
            if not evidence.competing:
                found.append(unjudged(evidence, kind.name, error))
        if evidence.competing and found:
            return found[:1]
    return found


def unjudged(evidence: Evidence, what: str, error: Exception) -> Finding:
    """Return the finding that a check failed for a reason that it did not expect."""
    from firstlight.tools.diagnose.probes.raised import Failure

    subject = f"{evidence.subject} ({what})"
    failure = Failure(error, subject=subject, where=evidence.where, type=evidence.type)
    return next(iter(all_kinds()[UNJUDGED].judge(failure)))
