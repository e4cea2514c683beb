"""Sections: the texts of a report or poster, from a Markdown file."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from firstlight.tools.report.words import WORDS


@dataclass
class Section:
    """A heading and what stands below it.

    Attributes
    ----------
    title : str
    name : str or None
        The part of a report it belongs to, e.g. "question" or "conclusion", if its title is the
        heading of one, in English or German.
    text : str
        Markdown.
    """

    title: str
    name: str | None = None
    text: str = ""


@dataclass
class Texts:
    """All texts of a file: the title (``# ...``), what follows it, and sections (``## ...``).

    Pictures in them are looked for in ``folder``.
    """

    title: str = ""
    lead: str = ""
    sections: list = field(default_factory=list)
    folder: Path = Path()

    def take(self, name):
        """Return the section of this name, or None."""
        return next((section for section in self.sections if section.name == name), None)

    def others(self):
        """Return the sections with titles of their own."""
        return [section for section in self.sections if section.name is None]


def read_sections(path):
    """Return the `Texts` of a Markdown file; of None, empty ones.

    Raises
    ------
    OSError
        It cannot be read.
    ValueError
        It is not text in UTF-8, or a section is there twice.
    """
    texts = Texts()
    if path is None:
        return texts
    texts.folder = Path(path).parent
    try:
        content = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected Markdown in UTF-8 ({error})") from error
    fenced = False
    for line in content.splitlines():
        fenced ^= line.lstrip().startswith("```")
        heading = None if fenced else re.fullmatch(r"(##?)\s+(.+?)\s*#*", line)
        if heading and heading[1] == "#" and not texts.title and not texts.sections:
            texts.title = heading[2]
        elif heading:
            texts.sections.append(Section(heading[2], _name(heading[2])))
        elif texts.sections:
            texts.sections[-1].text += line + "\n"
        else:
            texts.lead += line + "\n"
    names = [section.name for section in texts.sections if section.name]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"{path}: the section {name!r} is there {names.count(name)} times; "
                "make them one, or give the others headings of their own"
            )
    texts.lead = texts.lead.strip()
    for section in texts.sections:
        section.text = section.text.strip()
    return texts


def _name(title):
    plain = title.strip().casefold()
    return next((n for n, both in WORDS.items() if plain in map(str.casefold, both)), None)
