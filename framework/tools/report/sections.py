"""Sections of a report or poster: the texts of a Markdown file, and the headings."""

import re
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from firstlight.tools.language import LANGUAGES, checked

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
    "mistakes": ("Worst mistakes", "Schlimmste Fehler"),
    "filters": ("Filters of the first layer", "Filter der ersten Schicht"),
    "histograms": ("Parameters", "Parameter"),
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

    ``folder`` has the pictures that they name.
    """

    title: str = ""
    lead: str = ""
    sections: list[Section] = field(default_factory=list)
    folder: Path = Path()

    def take(self, name: str) -> Section | None:
        """Return the section of this name, or None."""
        return next((section for section in self.sections if section.name == name), None)

    def others(self) -> list[Section]:
        """Return the sections with titles of their own."""
        return [section for section in self.sections if section.name is None]


def read_sections(path: str | PathLike[str] | None) -> Texts:
    """Return the `Texts` of a Markdown file; empty ones for None.

    Raises
    ------
    OSError
        It cannot be read.
    ValueError
        It is not text in UTF-8, or has a section twice.
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
