"""Language: the short texts in figures and reports, in English or German.

Figures use ``say("epoch")``, which is German inside ``with speaking("de")``. The headings of a
report are in `firstlight.tools.report.sections`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

LANGUAGES = ("en", "de")

GERMAN: dict[str, str] = {
    # curves
    "loss": "Verlust",
    "accuracy": "Genauigkeit",
    "learning rate": "Lernrate",
    "gradient norm": "Norm des Gradienten",
    "time": "Zeit",
    "epoch": "Epoche",
    "training": "Training",
    "validation": "Validierung",
    "{count} runs: dark the first, light the last": (
        "{count} Läufe: dunkel der erste, hell der letzte"
    ),
    "({count} seeds)": "({count} Seeds)",
    # where the time goes
    "data": "Daten",
    "forward": "vorwärts",
    "backward": "rückwärts",
    "optimizer": "Optimierer",
    # courses of layers
    "mean of outputs": "Mittelwert der Ausgaben",
    "standard deviation of outputs": "Standardabweichung der Ausgaben",
    "share of zeros in outputs": "Anteil der Nullen in den Ausgaben",
    "update / weight": "Änderung / Gewicht",
    "layers": "Schichten",
    # looking inside
    "{share} right, {wrong} of {total} wrong": "{share} richtig, {wrong} von {total} falsch",
    "predicted class": "vorhergesagte Klasse",
    "true class": "wahre Klasse",
    "Most confident mistakes: true → predicted class, probability": (
        "Die sichersten Fehler: wahre → vorhergesagte Klasse, Wahrscheinlichkeit"
    ),
    "First layer: the strongest filters": "Erste Schicht: die stärksten Filter",
    "weight": "Gewicht",
    "Saliency: where a pixel changes the score": "Saliency: wo ein Pixel das Ergebnis ändert",
    "|gradient| / its largest": "|Gradient| / sein größter",
    "Occlusion: where covering it costs confidence": "Verdecken: wo es Sicherheit kostet",
    "probability lost": "verlorene Wahrscheinlichkeit",
    "prediction": "Vorhersage",
    "false positive rate": "Falsch-positiv-Rate",
    "true positive rate": "Richtig-positiv-Rate",
    "precision": "Precision",
    "recall": "Recall",
    "mean {area} of {count} classes": "mittlere {area} von {count} Klassen",
    "Expected calibration error {error}": "Erwarteter Kalibrierungsfehler {error}",
    " (the corner)": " (die Ecke)",
    "Weights over the training": "Gewichte während des Trainings",
    "Outputs over the training": "Ausgaben während des Trainings",
    "from": "von",
    "to": "auf",
    "attention weight": "Aufmerksamkeit",
    "head {number}": "Kopf {number}",
    "ideal": "ideal",
    "this model": "dieses Modell",
    "gap": "Abstand",
    "confidence": "Sicherheit",
    "Loss around the weights: {low} to {high}": "Verlust um die Gewichte: {low} bis {high}",
    "direction 1": "Richtung 1",
    "direction 2": "Richtung 2",
    "input of the last layer": "Eingabe der letzten Schicht",
    "target": "Ziel",
    "input": "Eingabe",
    "heads": "Heads",
    "positions": "Positionen",
    "output": "Ausgabe",
    "in all {count} parameters": "insgesamt {count} Parameter",
    # findings of a check
    "checked": "geprüft",
    "verdict": "Urteil",
    "detail": "Einzelheiten",
    "step": "Schritt",
    "health": "Zustand",
    "model": "Modell",
    "script": "Skript",
    "samples": "Beispiele",
    "loss at the start": "Verlust am Anfang",
    "gradient of training_step": "Gradient von training_step",
    "the step as a whole": "der Schritt als Ganzes",
    "values kept for backward": "für backward aufbewahrte Werte",
    "dead and saturated units": "tote und gesättigte Einheiten",
    "evaluation": "Auswertung",
    "gradients by depth and time": "Gradienten nach Tiefe und Zeit",
    "scale of the inputs": "Skala der Eingaben",
    "overfit one batch": "einen Batch auswendig lernen",
    "training loop": "Trainingsschleife",
    "gradients of the script's own code": "Gradienten des Skripts selbst",
    "updates of the script's own code": "Updates des Skripts selbst",
    "numbers of the script": "Zahlen des Skripts",
    "flow of samples": "Weg der Beispiele",
    "its lines": "seine Zeilen",
    "its training": "sein Training",
    "all parts registered": "alle Teile registriert",
    "methods that the Trainer calls": "Methoden, die der Trainer aufruft",
    "WRONG": "FALSCH",
    "not judged": "nicht beurteilt",
    "nothing wrong in what could be judged": "kein Fehler in dem, was zu beurteilen war",
    "look at": "siehe",
    "finding": "Befund",
    "findings": "Befunde",
    "nothing wrong": "kein Fehler",
    "note": "Hinweis",
    "on": "auf",
    "so are": "ebenso",
    "{module}.backward returns a wrong {gradient}: {why}": (
        "{module}.backward gibt ein falsches {gradient} zurück: {why}"
    ),
    "{module}.backward gives {gradient} a wrong gradient: {why}": (
        "{module}.backward gibt {gradient} einen falschen Gradienten: {why}"
    ),
    "the dy it passes to {part} is wrong: {why}": (
        "das dy, das es an {part} weitergibt, ist falsch: {why}"
    ),
    "the backward of {name} was not judged: {why}": (
        "backward von {name} wurde nicht beurteilt: {why}"
    ),
    "with this line it is right": "mit dieser Zeile stimmt es",
    # baselines
    "method": "Verfahren",
    "95 % interval": "95-%-Intervall",
    "seconds to fit": "Sekunden zum Anpassen",
    "this run": "dieser Lauf",
    "majority class": "häufigste Klasse",
    "logistic regression": "logistische Regression",
    "random forest, 100 trees": "Random Forest, 100 Bäume",
    "mean of the target": "Mittelwert des Ziels",
    "least squares": "kleinste Quadrate",
    "test R²": "R² im Test",
    # comparisons
    "95 % interval {low} to {high}": "95-%-Intervall {low} bis {high}",
    "These data do not show which is better on {name}: {a} - {b} is {by} ({facts}).": (
        "Diese Daten zeigen nicht, was bei {name} besser ist: {a} - {b} ist {by} ({facts})."
    ),
    "{better} is better than {other} on {name} by {by} ({facts}).": (
        "{better} ist bei {name} um {by} besser als {other} ({facts})."
    ),
    "One seed each: other seeds may change this.": "Je ein Seed: andere Seeds können das ändern.",
    "One of them has a single seed: other seeds may change this.": (
        "Von einem gibt es nur einen Seed: andere Seeds können das ändern."
    ),
    "{a} and {b} seeds": "{a} und {b} Seeds",
    "{n} test samples": "{n} Testbeispiele",
    "different test samples, not paired": "verschiedene Testbeispiele, nicht gepaart",
    "too few for a verdict": "zu wenige für ein Urteil",
    "and": "und",
    "points": "Prozentpunkte",
    # facts of a run
    "test loss": "Testverlust",
    "test accuracy": "Testgenauigkeit",
    "val loss": "Validierungsverlust",
    "val accuracy": "Validierungsgenauigkeit",
    "parameters": "Parameter",
    "epochs": "Epochen",
    "steps": "Schritte",
    "status": "Status",
    "finished": "beendet",
    "interrupted": "unterbrochen",
    "failed": "gescheitert",
    "crashed": "abgestürzt",
    "running": "läuft",
    "error": "Fehler",
    "in all": "insgesamt",
    "stopped": "angehalten",
    "samples per second": "Samples pro Sekunde",
    "ms per step": "ms pro Schritt",
    "GPU hours": "GPU-Stunden",
    "GPU energy": "Energie der GPU",
    "CPU hours": "CPU-Stunden",
    "peak memory": "größter Speicherbedarf",
    # machine
    "host": "Rechner",
    "system": "System",
    "memory": "Speicher",
    "code": "Code",
    "started": "begonnen",
    # what is missing
    "There are no pictures of predictions: they are not finite.": (
        "Es gibt keine Bilder von Vorhersagen: Sie sind nicht endlich."
    ),
    "its forward does not take the data": "sein forward nimmt die Daten nicht",
    "There are no pictures of the model and its data: {why}": (
        "Es fehlen Bilder des Modells und seiner Daten: {why}"
    ),
    "the run has no checkpoint; it ended before the first, or kept none.": (
        "Der Lauf hat keinen Checkpoint; er endete vor dem ersten, oder behielt keinen."
    ),
    "the run was made by a script, and only the script can build its model.": (
        "Der Lauf stammt aus einem Skript, und nur dieses kann sein Modell bauen."
    ),
}

_language: ContextVar[str] = ContextVar("language", default="en")


def say(text: str) -> str:
    """Return a text in the current language, unchanged if it has no translation.

    Examples
    --------
    >>> from firstlight.tools.language import say, speaking
    >>> with speaking("de"):
    ...     print(say("epoch"), say("val_loss"))
    Epoche val_loss
    """
    return GERMAN.get(text, text) if _language.get() == "de" else text


def current_language() -> str:
    """Return "en" or "de"."""
    return _language.get()


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Set the current language inside the block.

    Raises
    ------
    ValueError
        Neither "en" nor "de".
    """
    token = _language.set(checked(language))
    try:
        yield
    finally:
        _language.reset(token)


def checked(language: str) -> str:
    """Return a known language; raise a ValueError for others."""
    if language not in LANGUAGES:
        raise ValueError(f"language: expected one of {', '.join(LANGUAGES)}, got {language!r}")
    return language
