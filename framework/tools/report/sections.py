"""Sections of a report or poster: the texts of a Markdown file, and the headings."""

import re
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from firstlight.tools.language import LANGUAGES, checked
from firstlight.tools.report.front_matter import FrontMatter, keys_of, read_front_matter
from firstlight.tools.report.markdown import citations

WORDS = {  # in English and German
    "report": ("Report", "Bericht"),
    "comparison": ("Comparison", "Vergleich"),
    "question": ("Question", "Fragestellung"),
    "settings": ("Settings", "Einstellungen"),
    "differing": ("Differences", "Unterschiede"),
    "data": ("Data", "Daten"),
    "model": ("Model", "Modell"),
    "method": ("Method", "Vorgehen"),
    "results": ("Results", "Ergebnisse"),
    "conclusion": ("Conclusion", "Fazit"),
    "baselines": ("Baselines", "Einfache Verfahren"),
    "curves": ("Learning curves", "Lernkurven"),
    "confusion_matrix": ("Confusion matrix", "Konfusionsmatrix"),
    "calibration": ("Calibration", "Kalibrierung"),
    "roc": ("ROC curves", "ROC-Kurven"),
    "precision_recall": ("Precision and recall", "Precision und Recall"),
    "mistakes": ("Worst mistakes", "Schlimmste Fehler"),
    "filters": ("Filters of the first layer", "Filter der ersten Schicht"),
    "histograms": ("Parameters", "Parameter"),
    "network": ("Layers and their connections", "Schichten und ihre Verbindungen"),
    "fit": ("Predictions", "Vorhersagen"),
    "saliency": ("Influence of pixels", "Einfluss der Pixel"),
    "sample": ("A sample", "Eine Stichprobe"),
    "text": ("Generated text", "Generierter Text"),
    "gradients": ("Gradient check", "Gradientenprüfung"),
    "timing": ("Time", "Zeit"),
    "environment": ("Environment", "Umgebung"),
    "packages": ("Other packages", "Andere Pakete"),
    "also_differing": ("These differ too:", "Auch hierin unterscheiden sie sich:"),
    "shown_of": ("The best {shown} of {count}.", "Die besten {shown} von {count}."),
    "references": ("References", "Literatur"),
    "reproduce": ("How to reproduce", "Wiederholen"),
    "run": ("Run", "Lauf"),
    "runs": ("Runs", "Läufe"),
    "metric": ("Metric", "Maß"),
    "value": ("Value", "Wert"),
    "best": ("Best", "Bester"),
    "interval": ("95 % interval", "95-%-Intervall"),
    "interval_note": (
        "The interval of a test result: how far it would vary with other test samples, and, over "
        "several seeds, with other seeds.",
        "Das Intervall eines Testergebnisses: wie weit es mit anderen Testbeispielen schwanken "
        "würde, und, bei mehreren Seeds, mit anderen Seeds.",
    ),
    "last": ("Last", "Letzter"),
    "epoch": ("epoch", "Epoche"),
    "seeds": ("Seeds", "Seeds"),
    "mean": ("Mean ± std", "Mittel ± Std."),
    "layer": ("Layer", "Schicht"),
    "type": ("Type", "Art"),
    "output": ("Output shape", "Ausgabe"),
    "parameters": ("Parameters", "Parameter"),
    "share": ("Share", "Anteil"),
    "best_run": ("The best run", "Der beste Lauf"),
    "training": ("training", "Training"),
    "validation": ("validation", "Validierung"),
    "spread_note": (
        "Each metric's best value; over several seeds mean ± standard deviation.",
        "Der beste Wert jedes Maßes; über mehrere Seeds Mittel ± Standardabweichung.",
    ),
    "no_metrics": ("Nothing was measured.", "Es wurde nichts gemessen."),
    "one_seed": (
        "One seed only: the spread over seeds is not known.",
        "Nur ein Seed: die Streuung über Seeds ist nicht bekannt.",
    ),
}


NOTE = re.compile(r"\[\^[^\]]+\]:\s")


def words(language: str) -> dict[str, str]:
    """Return the headings of a language by name.

    Raises
    ------
    ValueError
        Neither "en" nor "de".
    """
    index = LANGUAGES.index(checked(language))
    return {name: both[index] for name, both in WORDS.items()}


@dataclass
class Section:
    """A heading and the text below it.

    Attributes
    ----------
    title : str
    name : str or None
        The part of a report with this heading in English or German, e.g. "question" or
        "conclusion".
    text : str
        Markdown.
    """

    title: str
    name: str | None = None
    text: str = ""


@dataclass
class Texts:
    """The texts of a file: the title (``# ...``), a lead, and sections (``## ...``).

    Attributes
    ----------
    title, lead : str
    sections : list of Section
    path : Path
        The file, which errors name; pictures are beside it.
    front : FrontMatter
        Authors, logo, address, bibliography.
    """

    title: str = ""
    lead: str = ""
    sections: list[Section] = field(default_factory=list)
    path: Path = Path("text.md")
    front: FrontMatter = field(default_factory=FrontMatter)

    def take(self, name: str) -> Section | None:
        """Return the section of this name, or None."""
        return next((section for section in self.sections if section.name == name), None)

    def others(self) -> list[Section]:
        """Return the sections with titles of their own."""
        return [section for section in self.sections if section.name is None]

    def cited(self) -> list[str]:
        """Return the keys that the texts cite."""
        texts = [self.lead, *(section.text for section in self.sections)]
        return list(dict.fromkeys(key for text in texts for key in citations(text)))


def read_sections(path: str | PathLike[str] | None) -> Texts:
    """Return the `Texts` of a Markdown file; empty ones for None.

    Raises
    ------
    OSError
        It cannot be read.
    ValueError
        It is not text in UTF-8, has a section twice, a wrong front matter, or cites what its
        bibliography lacks.
    """
    texts = Texts()
    if path is None:
        return texts
    texts.path = Path(path)
    try:
        content = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected Markdown in UTF-8 ({error})") from error
    texts.front, content = read_front_matter(content, texts.path)
    texts.title = texts.front.title
    fenced, notes = False, ""  # footnotes may be used in any section
    for line in content.splitlines():
        fenced ^= line.lstrip().startswith("```")
        heading = None if fenced else re.fullmatch(r"(##?)\s+(.+?)\s*#*", line)
        if heading and heading[1] == "#" and not texts.sections:
            texts.title = texts.title or heading[2]
        elif not fenced and NOTE.match(line):
            notes += line + "\n"
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
    texts.lead = _with_notes(texts.lead, notes)
    for section in texts.sections:
        section.text = _with_notes(section.text, notes)
    _check_citations(texts)
    return texts


def _with_notes(text, notes):
    """Return a text with the footnotes that it refers to below it."""
    text = text.strip()
    return f"{text}\n\n{notes}" if notes and "[^" in text else text


def _check_citations(texts):
    cited, file = texts.cited(), texts.front.bibliography
    if cited and file is None:
        raise ValueError(
            f"{texts.path}: [@{cited[0]}] needs a bibliography; write one as "
            f"{texts.path.with_suffix('.bib').name} beside it, or name it in the front matter"
        )
    known = keys_of(file) if cited else []
    for key in cited:
        if key not in known:
            raise ValueError(
                f"{texts.path}: [@{key}]: {file} has no entry {key!r}; it has {', '.join(known)}"
            )


def _name(title):
    plain = title.strip().casefold()
    return next((n for n, both in WORDS.items() if plain in map(str.casefold, both)), None)
