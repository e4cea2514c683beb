"""The texts of the course's notebooks in German, by paragraph; docs/notebooks.py uses them."""

GERMAN: dict[str, str] = {
    "The chapter [{chapter}]({page}) explains this step. The code is that of `{script}`; the "
    "notebook was written by `python docs/notebooks.py`.": (
        "Das Kapitel [{chapter}]({page}) erklärt diesen Schritt. Der Code ist der von `{script}`; "
        "das Notebook hat `python docs/notebooks.py` geschrieben."
    ),
    # 1 Polynomial
    "Step 1: fit polynomials to ten points, too stiff and too free, and cure it in three ways.": (
        "Schritt 1: Polynome durch zehn Punkte, zu steif und zu beweglich, und drei Gegenmittel."
    ),
    "## Degrees: from too stiff to too free": "## Grade: von zu steif bis zu beweglich",
    "Degrees 0 and 1 miss the sine, 3 follows it, and 9 passes through every point, noise "
    "included.": (
        "Grad 0 und 1 verfehlen den Sinus, Grad 3 folgt ihm, und Grad 9 geht durch jeden Punkt, "
        "samt Rauschen."
    ),
    "## First cure: a penalty on large weights": (
        "## Erstes Gegenmittel: ein Strafterm für große Gewichte"
    ),
    "Degree 9 again. As λ grows, the curve becomes smoother, and then too smooth.": (
        "Wieder Grad 9. Mit wachsendem λ wird die Kurve glatter und schließlich zu glatt."
    ),
    "## Second cure: more data": "## Zweites Gegenmittel: mehr Daten",
    "Degree 9 without a penalty: with enough points, the two errors meet.": (
        "Grad 9 ohne Strafterm: Mit genügend Punkten treffen sich die beiden Fehler."
    ),
    "## Why: bias and variance": "## Warum: Bias und Varianz",
    "Fit again and again to new noise. The mean of the fits shows the bias, their spread the "
    "variance.": (
        "Immer wieder an neues Rauschen anpassen. Der Mittelwert der Kurven zeigt den Bias, ihre "
        "Streuung die Varianz."
    ),
    "## The same minimum, step by step": "## Dasselbe Minimum, Schritt für Schritt",
    "Gradient descent through a `Module` and the `Trainer` arrives at the closed form.": (
        "Gradientenabstieg mit einem `Module` und dem `Trainer` kommt zur geschlossenen Lösung."
    ),
    # 2 Plain Python
    "Step 2: a multi-layer perceptron of lists and floats learns handwritten digits.": (
        "Schritt 2: ein mehrschichtiges Perzeptron aus Listen und Zahlen lernt handgeschriebene "
        "Ziffern."
    ),
    "## Train": "## Training",
    "Every product and every sum is a line of Python in `models/plain_python.py`; so it is slow.": (
        "Jedes Produkt und jede Summe steht als Python-Code in `models/plain_python.py`; deshalb "
        "ist es langsam."
    ),
    "## Test": "## Test",
    "The test data played no part in the training.": (
        "Die Testdaten waren am Training nicht beteiligt."
    ),
    # 3 MLP
    "Step 3: the same network of arrays: Module, layers, Trainer, and its pictures.": (
        "Schritt 3: dasselbe Netz aus Arrays: Module, Layer, Trainer und seine Bilder."
    ),
    "## The network": "## Das Netz",
    "`forward` calls the layers, and `backward` calls their `backward` in reverse order.": (
        "`forward` ruft die Layer auf, und `backward` ruft deren `backward` in umgekehrter "
        "Reihenfolge auf."
    ),
    "## Data and model": "## Daten und Modell",
    "## Train and test": "## Training und Test",
    "The Trainer runs the loop of step 2, and keeps the weights of the best epoch.": (
        "Der Trainer führt die Schleife aus Schritt 2 aus und behält die Gewichte der besten "
        "Epoche."
    ),
    "## What the first layer looks for": "## Wonach die erste Schicht sucht",
    "The weights of each hidden unit are a picture: bright pixels raise its output, dark ones "
    "lower it.": (
        "Die Gewichte jeder verdeckten Einheit sind ein Bild: Helle Pixel erhöhen ihren Ausgang, "
        "dunkle senken ihn."
    ),
    # 4 CuPy
    "Step 4: one loop for NumPy and CuPy, the time of its step, and the Trainer's device.": (
        "Schritt 4: eine Schleife für NumPy und CuPy, die Zeit eines Schritts und das device des "
        "Trainers."
    ),
    "## One step, for arrays of both kinds": "## Ein Schritt für Arrays beider Arten",
    "NumPy's functions hand arrays of CuPy to CuPy, so that no line names the device.": (
        "Die Funktionen von NumPy geben Arrays von CuPy an CuPy weiter, deshalb nennt keine Zeile "
        "das Gerät."
    ),
    "## The time of a step, by batch size": "## Die Zeit eines Schritts nach Batchgröße",
    "A step costs a fixed time for its launches, and a time for each sample.": (
        "Ein Schritt kostet eine feste Zeit für seine Aufrufe und eine Zeit je Beispiel."
    ),
    "## The same with the Trainer": "## Dasselbe mit dem Trainer",
    "Without a usable GPU, both lines are of the CPU.": (
        "Ohne nutzbare GPU sind beide Zeilen von der CPU."
    ),
    "Step 4: two kernels in CUDA C++, checked on the CPU, and three mistakes.": (
        "Schritt 4: zwei Kernel in CUDA C++, auf der CPU geprüft, und drei Fehler."
    ),
    "## Two kernels": "## Zwei Kernel",
    "A thread computes one number of ReLU. A column of a sum has eight threads, which add up in "
    "shared memory.": (
        "Ein Thread berechnet eine Zahl der ReLU. Eine Spalte der Summe hat acht Threads, die ihre "
        "Teilsummen über den Shared Memory zusammenzählen."
    ),
    "## Run them: on the CPU in the checker, and on a GPU if there is one": (
        "## Ausführen: auf der CPU in der Prüfung, und auf einer GPU, falls es eine gibt"
    ),
    "## Three mistakes": "## Drei Fehler",
    "A bound that is missing, a barrier that is missing, and a return before the barrier.": (
        "Eine fehlende Grenze, eine fehlende Barriere und ein return vor der Barriere."
    ),
    "Step 4: what bounds the time of each layer: launches, memory or arithmetic.": (
        "Schritt 4: was die Zeit jedes Layers begrenzt: Launches, Speicher oder Rechnen."
    ),
    "## The lines of the step, layer by layer": "## Die Zeilen des Schritts, Layer für Layer",
    "Each layer has a function, its launches, the float32 numbers that it reads and writes, and "
    "its floating-point operations.": (
        "Zu jedem Layer gehören eine Funktion, ihre Launches, die float32-Zahlen, die sie liest "
        "und schreibt, und ihre Gleitkommaoperationen."
    ),
    "## Three limits": "## Drei Grenzen",
    "A launch, a number read or written, and an operation take at least so many microseconds. "
    "Those of the CPU are measured; those of the GPU are from the data sheet of an H200 (SXM).": (
        "Ein Launch, eine gelesene oder geschriebene Zahl und eine Operation dauern mindestens so "
        "viele Mikrosekunden. Die Werte der CPU sind gemessen, die der GPU stammen aus dem "
        "Datenblatt einer H200 (SXM)."
    ),
    "## Predicted and measured": "## Vorhergesagt und gemessen",
    # 5 Experiments
    "Step 5: one question, several runs, one table: the width of the hidden layer.": (
        "Schritt 5: eine Frage, mehrere Läufe, eine Tabelle: die Breite der verdeckten Schicht."
    ),
    "## Three widths, three seeds each": "## Drei Breiten, je drei Seeds",
    "A difference between two widths counts only if it exceeds the spread between the seeds.": (
        "Ein Unterschied zwischen zwei Breiten zählt nur, wenn er größer ist als die Streuung "
        "zwischen den Seeds."
    ),
    "## Every run is kept": "## Jeder Lauf bleibt erhalten",
    "The folder `runs/` has them all; `firstlight runs list` prints this table.": (
        "Der Ordner `runs/` enthält sie alle; `firstlight runs list` gibt diese Tabelle aus."
    ),
    # 6 CNN
    "Step 6: a convolutional network, and a look at what it has learned.": (
        "Schritt 6: ein Faltungsnetz, und ein Blick auf das, was es gelernt hat."
    ),
    "Two convolutions, each with batch normalisation and ReLU; a max-pool; two linear layers.": (
        "Zwei Faltungen, jede mit Batch-Normalisierung und ReLU; ein Max-Pooling; zwei lineare "
        "Layer."
    ),
    "## What it has learned": "## Was es gelernt hat",
    "The album has the confusion matrix, the mistakes, the filters of the first layer, and what "
    "the network looks at.": (
        "Das Album enthält die Konfusionsmatrix, die Fehler, die Filter der ersten Schicht und "
        "das, worauf das Netz achtet."
    ),
    "Saliency: where a pixel changes the score. Occlusion: where covering it costs confidence.": (
        "Saliency: wo ein Pixel das Ergebnis ändert. Occlusion: wo Verdecken Sicherheit kostet."
    ),
    # 7 Transformer
    "Step 7: a Transformer learns to add: a language model whose sentences are sums.": (
        "Schritt 7: Ein Transformer lernt addieren: ein Sprachmodell, dessen Sätze Summen sind."
    ),
    "Each digit is a token. The answer is written from its last digit on.": (
        "Jede Ziffer ist ein Token. Die Antwort beginnt mit ihrer letzten Ziffer."
    ),
    "`val_exact` is the share of sums that are right in every digit.": (
        "`val_exact` ist der Anteil der Summen, die in jeder Ziffer richtig sind."
    ),
    "## Write an answer": "## Eine Antwort schreiben",
    "Token by token, always the most likely one: 57 + 68 = 125.": (
        "Token für Token, immer das wahrscheinlichste: 57 + 68 = 125."
    ),
    "## What it looks at": "## Worauf es achtet",
    "Row i, column j: how much position i takes from position j. The mask hides the future.": (
        "Zeile i, Spalte j: wie viel Position i von Position j nimmt. Die Maske verbirgt die "
        "Zukunft."
    ),
    # 8 Training strategies
    "Step 8: training strategies compared: one change at a time, several seeds, one table.": (
        "Schritt 8: Trainingsstrategien im Vergleich: immer nur eine Änderung, mehrere Seeds, eine "
        "Tabelle."
    ),
    "## The strategies": "## Die Strategien",
    "Each one differs from the plain training in what its line says.": (
        "Jede unterscheidet sich vom einfachen Training in dem, was ihre Zeile sagt."
    ),
    "## One training, and the table": "## Ein Training und die Tabelle",
    "Gains are taken seed by seed, on validation data. The test data come last, for what was "
    "chosen.": (
        "Gewinne werden Seed für Seed bestimmt, mit den Validierungsdaten. Die Testdaten kommen "
        "zuletzt, für das Gewählte."
    ),
    # 9 Report and poster
    "Step 9: a report, a poster, its figures as vectors, and the line of a table.": (
        "Schritt 9: ein Bericht, ein Poster, seine Abbildungen als Vektorgrafik und die Zeile "
        "einer Tabelle."
    ),
    "## Train, with every gradient checked first": (
        "## Training, nachdem jeder Gradient geprüft ist"
    ),
    "## Figures as vectors": "## Abbildungen als Vektorgrafik",
    "A PDF stays sharp at any size. Every function returns a matplotlib `Figure`, which you can "
    "change.": (
        "Ein PDF bleibt in jeder Größe scharf. Jede Funktion gibt eine `Figure` von matplotlib "
        "zurück, die man ändern kann."
    ),
    "## Report and poster": "## Bericht und Poster",
    "The texts come from a Markdown file, everything else from the run's folder.": (
        "Die Texte kommen aus einer Markdown-Datei, alles andere aus dem Ordner des Laufs."
    ),
    "## The line of a table": "## Die Zeile einer Tabelle",
}
