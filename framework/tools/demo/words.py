"""The words of the page in German; English is what the scripts say."""

GERMAN = {
    # about the network
    "{n} parameters": "{n} Parameter",
    "{value} accuracy on {n} validation samples": (
        "{value} Genauigkeit auf {n} Validierungsbeispielen"
    ),
    "{value} accuracy on {n} test samples": "{value} Genauigkeit auf {n} Testbeispielen",
    "{value} accuracy on {n} training samples": "{value} Genauigkeit auf {n} Trainingsbeispielen",
    "{value} loss on {n} validation samples": "Verlust {value} auf {n} Validierungsbeispielen",
    "{value} loss on {n} test samples": "Verlust {value} auf {n} Testbeispielen",
    "{value} loss on {n} training samples": "Verlust {value} auf {n} Trainingsbeispielen",
    "About this page": "Über diese Seite",
    "The network runs in your browser. This page is one file, works offline, and sends nothing.": (
        "Das Netz rechnet in deinem Browser. Diese Seite ist eine einzige Datei, braucht kein "
        "Internet und sendet nichts."
    ),
    "Arrays of weights: {kinds}.": "Arrays der Gewichte: {kinds}.",
    "They are those of the training, unchanged.": "Es sind die des Trainings, unverändert.",
    "Rounding them changed the accuracy from {before} to {after}.": (
        "Durch das Runden änderte sich die Genauigkeit von {before} auf {after}."
    ),
    "Rounding them changed the loss from {before} to {after}.": (
        "Durch das Runden änderte sich der Verlust von {before} auf {after}."
    ),
    "The page was not compared with NumPy when it was made.": (
        "Die Seite wurde beim Erstellen nicht mit NumPy verglichen."
    ),
    "Compared with NumPy when the page was made: the largest difference is {d} of the largest "
    "output.": (
        "Beim Erstellen mit NumPy verglichen: Der größte Unterschied ist {d} der größten Ausgabe."
    ),
    "Made with firstlight. The page's source shows each layer's formula, as the lessons do.": (
        "Erstellt mit firstlight. Der Quelltext der Seite zeigt die Formel jeder Schicht, wie die "
        "Lektionen."
    ),
    # layers
    "Layer by layer": "Schicht für Schicht",
    "negative": "negativ",
    "positive, each picture by its own largest value": (
        "positiv, jedes Bild nach seinem größten Wert"
    ),
    "forward": "forward",
    "first {n}": "die ersten {n}",
    "attention: {n} heads; row: the position that looks, column: where it looks": (
        "Attention: {n} Heads; Zeile: die Position, die schaut, Spalte: wohin sie schaut"
    ),
    # images
    "Draw a digit here": "Hier eine Ziffer zeichnen",
    "Draw here": "Hier zeichnen",
    "Drop a picture here": "Ein Bild hier ablegen",
    "Draw a digit": "Eine Ziffer zeichnen",
    "Draw": "Zeichnen",
    "A picture": "Ein Bild",
    "Clear": "Löschen",
    "Open a picture": "Bild öffnen",
    "or drop one": "oder eines hier ablegen",
    "Draw with mouse, finger or arrow keys, or drop a picture.": (
        "Zeichne mit Maus, Finger oder Pfeiltasten, oder lege ein Bild hier ab."
    ),
    "Drawing area. Arrow keys move the pen, the space bar puts it down and lifts it.": (
        "Zeichenfläche. Pfeiltasten bewegen den Stift, die Leertaste setzt ihn auf und hebt ihn ab."
    ),
    "{name} is not a picture": "{name} ist kein Bild",
    "what the network sees": "was das Netz sieht",
    "where it looks": "wohin es schaut",
    "Answer": "Antwort",
    "right": "richtig",
    "wrong: it is {name}": "falsch: es ist {name}",
    "answer in {ms} ms": "Antwort in {ms} ms",
    "Or choose from the validation data": "Oder wähle aus den Validierungsdaten",
    "Or choose from the test data": "Oder wähle aus den Testdaten",
    "Or choose from the training data": "Oder wähle aus den Trainingsdaten",
    "sample {k}: {name}": "Beispiel {k}: {name}",
    "sample {k}: {name}, which the network mistakes": (
        "Beispiel {k}: {name}, hier irrt sich das Netz"
    ),
    "the network's mistakes": "Fehler des Netzes",
    "A drawing is scaled so that its longer side takes {box} of {size} pixels, and is centred by "
    "its centre of mass, as in the training images.": (
        "Eine Zeichnung wird so skaliert, dass ihre längere Seite {box} von {size} Pixeln füllt, "
        "und mit ihrem Schwerpunkt in die Mitte gesetzt, wie in den Trainingsbildern."
    ),
    "A drawing is scaled so that its longer side takes {box} of {size} pixels, and its bounding "
    "box is put in the middle, as in the training images.": (
        "Eine Zeichnung wird so skaliert, dass ihre längere Seite {box} von {size} Pixeln füllt, "
        "und ihr Umriss wird in die Mitte gesetzt, wie in den Trainingsbildern."
    ),
    "Where it looks: a small square is covered at each place in turn. Blue: the answer loses "
    "probability there; orange: it gains.": (
        "Wohin es schaut: Ein kleines Quadrat wird nacheinander an jeder Stelle verdeckt. Blau: "
        "Dort verliert die Antwort an Wahrscheinlichkeit; orange: sie gewinnt."
    ),
}
