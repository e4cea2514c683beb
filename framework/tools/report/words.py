"""The headings of reports and posters, in English and German."""

from firstlight.tools.language import LANGUAGES, checked

WORDS = {
    "report": ("Report", "Bericht"),
    "comparison": ("Comparison", "Vergleich"),
    "question": ("Question", "Fragestellung"),
    "settings": ("Settings", "Einstellungen"),
    "differing": ("What differs", "Was sich unterscheidet"),
    "data": ("Data", "Daten"),
    "model": ("Model", "Modell"),
    "method": ("Method", "Vorgehen"),
    "results": ("Results", "Ergebnisse"),
    "conclusion": ("Conclusion", "Fazit"),
    "curves": ("Learning curves", "Lernkurven"),
    "confusion_matrix": ("Confusion matrix", "Konfusionsmatrix"),
    "mistakes": ("Worst mistakes", "Schlimmste Fehler"),
    "filters": ("What the first layer looks for", "Wonach die erste Schicht sucht"),
    "histograms": ("Parameters", "Parameter"),
    "fit": ("Predictions", "Vorhersagen"),
    "saliency": ("Where a pixel counts", "Wo ein Pixel zählt"),
    "sample": ("A sample", "Eine Stichprobe"),
    "text": ("What it writes", "Was es schreibt"),
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


def words(language):
    """Return the headings of a language by name.

    Raises
    ------
    ValueError
        Neither "en" nor "de".
    """
    index = LANGUAGES.index(checked(language))
    return {name: both[index] for name, both in WORDS.items()}
