"""The front matter of a Markdown file: title, authors, logo, address, bibliography."""

import difflib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KEYS = ("title", "authors", "affiliations", "logo", "url", "bibliography", "date")
FENCED = re.compile(r"---[ \t]*\n(?P<yaml>.*?\n|)---[ \t]*(?:\n|$)", re.DOTALL)


@dataclass
class Author:
    """A name, and the numbers of its affiliations, from 1."""

    name: str
    affiliations: list[int] = field(default_factory=list)


@dataclass
class FrontMatter:
    """What a text says about itself; missing parts are empty.

    Attributes
    ----------
    title, date : str
    authors : list of Author
    affiliations : list of str
    logo : Path or None
        A picture, shown beside the title.
    url : str
        Shown as a QR code.
    bibliography : Path or None
        A BibTeX file.
    """

    title: str = ""
    date: str = ""
    authors: list[Author] = field(default_factory=list)
    affiliations: list[str] = field(default_factory=list)
    logo: Path | None = None
    url: str = ""
    bibliography: Path | None = None


def read_front_matter(content: str, path: Path) -> tuple[FrontMatter, str]:
    """Return the front matter of a text, and the rest of it.

    Parameters
    ----------
    content : str
        It has a front matter if its first line is ``---``.
    path : Path
        The text's file, to whose folder names of files are relative.

    Raises
    ------
    ValueError
        It is not YAML, has an unknown key, or names a file that does not exist.
    """
    found = FENCED.match(content)
    given = _mapping(found["yaml"], path) if found else {}
    rest = content[found.end() :] if found else content
    for key in given:
        if key not in KEYS:
            near = difflib.get_close_matches(str(key), KEYS, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"{path}: front matter: expected {', '.join(KEYS)}, got {key!r}{hint}")
    front = FrontMatter(
        title=str(given.get("title") or ""),
        date=str(given.get("date") or ""),
        url=str(given.get("url") or ""),
        logo=_file(given, "logo", path),
        bibliography=_file(given, "bibliography", path),
    )
    if front.bibliography is None and path.with_suffix(".bib").is_file():
        front.bibliography = path.with_suffix(".bib")
    _add_authors(front, given, path)
    return front, rest


def keys_of(bibliography: Path) -> list[str]:
    """Return the keys of a BibTeX file's entries.

    Raises
    ------
    ValueError
        It is not text in UTF-8.
    """
    try:
        text = bibliography.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{bibliography}: expected BibTeX in UTF-8 ({error}); save it in that encoding"
        ) from error
    kinds = r"@(?!comment|string|preamble)\w+\s*[{(]\s*([^,\s}]+)"
    return re.findall(kinds, text, re.IGNORECASE)


def _mapping(text, path):
    import yaml

    try:
        given = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        raise ValueError(f"{path}: front matter: expected YAML ({problem})") from error
    if not isinstance(given, dict):
        raise ValueError(
            f"{path}: front matter: expected lines such as 'title: ...', got {given!r}"
        )
    return given


def _file(given, key, path):
    if not given.get(key):
        return None
    found = path.parent / str(given[key])
    if not found.is_file():
        raise ValueError(f"{path}: front matter: {key}: there is no file {found}")
    return found


def _add_authors(front, given, path):
    front.affiliations = _texts(given.get("affiliations"))
    for one in _listed(given.get("authors")):
        if isinstance(one, dict):
            if "name" not in one or not set(one) <= {"name", "affiliation"}:
                raise ValueError(
                    f"{path}: front matter: expected an author's name and affiliation, got {one!r}"
                )
            own = _texts(one.get("affiliation"))
            front.affiliations += [text for text in own if text not in front.affiliations]
            numbers = [front.affiliations.index(text) + 1 for text in own]
            front.authors.append(Author(str(one["name"]), numbers))
        else:
            front.authors.append(Author(str(one)))


def _texts(value: Any) -> list[str]:
    return [str(one) for one in _listed(value)]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
