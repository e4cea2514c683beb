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
        "Das Netz rechnet im Browser. Diese Seite ist eine einzige Datei, braucht kein Internet "
        "und sendet nichts."
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
    "output: a row for each position": "Ausgabe: eine Zeile für jede Position",
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
        "Mit Maus, Finger oder Pfeiltasten zeichnen, oder ein Bild hier ablegen."
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
    "Or choose from the validation data": "Oder aus den Validierungsdaten wählen",
    "Or choose from the test data": "Oder aus den Testdaten wählen",
    "Or choose from the training data": "Oder aus den Trainingsdaten wählen",
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
    "Where it looks: a small square is covered at each place in turn. Blue: without it the "
    "network is less sure of its answer (in log odds); orange: surer.": (
        "Wohin es schaut: Ein kleines Quadrat wird nacheinander an jeder Stelle verdeckt. Blau: "
        "Ohne das Verdeckte ist das Netz seiner Antwort weniger sicher (in Log-Odds); orange: "
        "sicherer."
    ),
    # curves
    "points and curve": "Punkte und Kurve",
    "Drag the points": "Die Punkte ziehen",
    "Learn": "Lernen",
    "Pause": "Pause",
    "As it was trained": "Wie trainiert",
    "{n} steps of Adam": "{n} Schritte von Adam",
    "Click to add a point; double-click, or the Delete key, removes one; arrow keys move it.": (
        "Ein Klick fügt einen Punkt hinzu; ein Doppelklick oder die Entf-Taste entfernt ihn; "
        "Pfeiltasten bewegen ihn."
    ),
    "Root mean squared error at the points": "Wurzel des mittleren Quadratfehlers an den Punkten",
    "What each layer makes of x": "Was jede Schicht aus x macht",
    "features": "Merkmale",
    "Weights of the last layer": "Gewichte der letzten Schicht",
    "Where you move a point, the weights are fitted by least squares, solved exactly with the "
    "network's own features; training reached its weights by gradient steps. The dashed curve is "
    "the one of the training.": (
        "Wird ein Punkt bewegt, so werden die Gewichte mit kleinsten Quadraten neu bestimmt, exakt "
        "gelöst mit den Merkmalen des Netzes; im Training kamen sie durch Gradientenschritte "
        "zustande. Die gestrichelte Kurve ist die des Trainings."
    ),
    "Learn runs gradient steps (Adam, learning rate 0.01) on your points, with the backward of "
    "each layer. The dashed curve is the one of the training.": (
        "„Lernen“ macht Gradientenschritte (Adam, Lernrate 0,01) auf diesen Punkten, mit dem "
        "backward jeder Schicht. Die gestrichelte Kurve ist die des Trainings."
    ),
    "The network stays as it was trained: its layers have no backward in this page.": (
        "Das Netz bleibt, wie es trainiert ist: Seine Schichten haben auf dieser Seite kein "
        "backward."
    ),
    # tables
    "Features": "Merkmale",
    "it is {value}": "es ist {value}",
    "The small curve of a feature shows the answer for each of its values, with the other features "
    "as they are. Sliders go from the smallest to the largest value in the training data.": (
        "Die kleine Kurve eines Merkmals zeigt die Antwort für jeden seiner Werte, bei sonst "
        "gleichen Merkmalen. Die Regler reichen vom kleinsten zum größten Wert der Trainingsdaten."
    ),
    # text
    "Prompt": "Prompt",
    "tokens": "Token",
    "Not in the vocabulary, left out: {letters}": "Nicht im Vokabular, weggelassen: {letters}",
    "Next token": "Nächstes Token",
    "Write": "Schreiben",
    "Start over": "Von vorn",
    "all": "alle",
    "Tokens: choose one to see where it looks": "Token: eines wählen, um zu sehen, wohin es schaut",
    "Tokens: choose one to see what may follow it": (
        "Token: eines wählen, um zu sehen, was folgen kann"
    ),
    "What comes next": "Was als Nächstes kommt",
    "after “{text}”": "nach „{text}“",
    "temperature": "Temperatur",
    "top-k": "top-k",
    "Attention: row, the position that looks; column, where it looks": (
        "Attention: Zeile, die Position, die schaut; Spalte, wohin sie schaut"
    ),
    "head {n}": "Head {n}",
    "layer {n}": "Schicht {n}",
    "The network reads {n} tokens at most; from a longer text the first half is dropped, dimmed "
    "above.": (
        "Das Netz liest höchstens {n} Token; von einem längeren Text fällt die erste Hälfte weg, "
        "oben blass."
    ),
    "Probabilities are shown after temperature and top-k, as a token is drawn from them.": (
        "Die Wahrscheinlichkeiten gelten nach Temperatur und top-k: So wird das Token gezogen."
    ),
}
