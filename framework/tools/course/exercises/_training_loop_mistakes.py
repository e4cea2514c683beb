"""The known mistakes of the exercise `training_loop`."""

from firstlight.tools.course.exercise import Mistake, mistake

ZERO = "            optimizer.zero_grad()\n"
BACK = "            net.backward(criterion.backward())\n"
STEP = "            optimizer.step()\n"
ADD = "total += float(loss) * len(x)\n            count += len(x)\n"
APPEND = "        history.append(total / count)\n"
AGAIN = "            loss = criterion(net(x), t)\n            criterion.saved()\n"
RIGHT = "right += int((net(x).argmax(axis=1) == t).sum())"


MISTAKES = (
    mistake(
        ZERO,
        "",
        ("the gradients of all batches add up", "die Gradienten aller Batches addieren sich"),
        (
            "call optimizer.zero_grad() before each backward pass",
            "rufen Sie optimizer.zero_grad() vor jedem Rückwärtsdurchlauf auf",
        ),
    ),
    Mistake(
        ((ZERO, ""), ("total, count = 0.0, 0\n", "total, count = 0.0, 0\n" + ZERO[4:])),
        (
            "the gradients are set to zero once per epoch, and add up within it",
            "die Gradienten werden einmal je Epoche auf null gesetzt und addieren sich in ihr",
        ),
        (
            "call optimizer.zero_grad() for each batch",
            "rufen Sie optimizer.zero_grad() für jeden Batch auf",
        ),
    ),
    Mistake(
        ((ZERO, ""), (BACK, BACK + ZERO)),
        (
            "each step uses gradients of zero",
            "jeder Schritt verwendet Gradienten, die null sind",
        ),
        ("order: zero_grad, backward, step", "Reihenfolge: zero_grad, backward, step"),
    ),
    mistake(
        STEP,
        "",
        ("no step is taken", "kein Schritt wird gemacht"),
        (
            "call optimizer.step() after backward",
            "rufen Sie nach backward optimizer.step() auf",
        ),
    ),
    Mistake(
        ((BACK, STEP + BACK), (STEP + "            total", "            total"), (ZERO, "")),
        (
            "the step comes before backward, and uses the gradients of earlier batches",
            "der Schritt kommt vor backward und verwendet die Gradienten früherer Batches",
        ),
        ("order: zero_grad, backward, step", "Reihenfolge: zero_grad, backward, step"),
    ),
    Mistake(
        ((STEP, ""), (APPEND, STEP[4:] + APPEND)),
        (
            "the optimizer takes one step per epoch",
            "der Optimierer macht einen Schritt je Epoche",
        ),
        (
            "call optimizer.step() for each batch, within the inner loop",
            "rufen Sie optimizer.step() für jeden Batch auf, in der inneren Schleife",
        ),
    ),
    mistake(
        "    net.train()\n",
        "",
        (
            "the network is not set to training mode",
            "das Netz wird nicht in den Trainingsmodus versetzt",
        ),
        ("begin with net.train()", "beginnen Sie mit net.train()"),
    ),
    mistake(
        ADD,
        "total += float(loss)\n            count += 1\n",
        (
            "the loss is the mean of the batches' losses, in which the small last batch "
            "counts as much as a full one",
            "der Verlust ist das Mittel der Verluste der Batches, in dem der kleine letzte "
            "Batch so viel zählt wie ein voller",
        ),
        (
            "multiply each loss by len(x), and divide by the number of samples",
            "multiplizieren Sie jeden Verlust mit len(x) und teilen Sie durch die Anzahl der "
            "Samples",
        ),
    ),
    mistake(
        ADD,
        "total += float(loss)\n            count += len(x)\n",
        (
            "the sum of the batches' mean losses is divided by the number of samples",
            "die Summe der mittleren Verluste der Batches wird durch die Anzahl der Samples "
            "geteilt",
        ),
        (
            "multiply each loss by len(x): the loss is a mean over the batch",
            "multiplizieren Sie jeden Verlust mit len(x): Er ist ein Mittelwert über den Batch",
        ),
    ),
    mistake(
        ADD,
        "total, count = float(loss), 1\n",
        ("the loss is that of the last batch", "der Verlust ist der des letzten Batches"),
        ("sum over all batches of the epoch", "summieren Sie über alle Batches der Epoche"),
    ),
    mistake(
        ADD,
        "total += float(loss)\n            count = 1\n",
        ("the loss is the sum over the batches", "der Verlust ist die Summe über die Batches"),
        (
            "sum loss * len(x), and divide by the number of samples",
            "summieren Sie loss * len(x) und teilen Sie durch die Anzahl der Samples",
        ),
    ),
    Mistake(
        (
            ("        total, count = 0.0, 0\n", ""),
            ("history = []\n", "history = []\n    total, count = 0.0, 0\n"),
        ),
        (
            "the losses of earlier epochs are counted again",
            "die Verluste früherer Epochen werden nochmals gezählt",
        ),
        (
            "set the sum and the number of samples to 0 in each epoch",
            "setzen Sie Summe und Anzahl der Samples in jeder Epoche auf 0",
        ),
    ),
    mistake(
        APPEND,
        "            history.append(float(loss))\n",
        ("the list has one loss per batch", "die Liste hat einen Verlust je Batch"),
        (
            "append one mean per epoch, after the inner loop",
            "hängen Sie einen Mittelwert je Epoche an, nach der inneren Schleife",
        ),
    ),
    mistake(
        APPEND + "    return history",
        APPEND + "        return history",
        ("fit returns after the first epoch", "fit kehrt nach der ersten Epoche zurück"),
        (
            "return after the loop over the epochs; look at the indentation",
            "geben Sie die Liste nach der Schleife über die Epochen zurück; prüfen Sie die "
            "Einrückung",
        ),
    ),
    mistake(
        "    return history",
        "    return history[-1:]",
        (
            "only the last epoch's loss is returned",
            "nur der Verlust der letzten Epoche wird zurückgegeben",
        ),
        ("return the list of all", "geben Sie die Liste aller zurück"),
    ),
    mistake(
        "    net.eval()\n",
        "",
        (
            "the network computes in the mode that it was in",
            "das Netz rechnet in dem Modus, in dem es war",
        ),
        ("call net.eval() first", "rufen Sie zuerst net.eval() auf"),
    ),
    mistake(
        "    net.train(was_training)\n",
        "",
        ("the network stays in evaluation mode", "das Netz bleibt im Auswertungsmodus"),
        (
            "keep net.training before, and call net.train(was_training) afterwards",
            "merken Sie sich vorher net.training und rufen Sie danach net.train(was_training) auf",
        ),
    ),
    mistake(
        "    net.train(was_training)\n",
        "    net.train()\n",
        (
            "the network is in training mode afterwards, even if it was not before",
            "das Netz ist danach im Trainingsmodus, auch wenn es das vorher nicht war",
        ),
        (
            "keep net.training before, and call net.train(was_training) afterwards",
            "merken Sie sich vorher net.training und rufen Sie danach net.train(was_training) auf",
        ),
    ),
    Mistake(
        (
            (RIGHT, "right += float((net(x).argmax(axis=1) == t).mean())"),
            ("count += len(t)", "count += 1"),
        ),
        (
            "the accuracy is the mean over the batches, in which the small last batch counts "
            "as much as a full one",
            "die Genauigkeit ist das Mittel über die Batches, in dem der kleine letzte Batch "
            "so viel zählt wie ein voller",
        ),
        (
            "count the right samples and all samples, and divide at the end",
            "zählen Sie die richtigen und alle Samples und teilen Sie am Ende",
        ),
    ),
    mistake(
        "    return right / count",
        "    return right",
        (
            "the number of right samples is returned",
            "die Anzahl der richtigen Samples wird zurückgegeben",
        ),
        ("divide by the number of samples", "teilen Sie durch die Anzahl der Samples"),
    ),
    mistake(
        "    return right / count",
        "    return 100 * right / count",
        ("the accuracy is in percent", "die Genauigkeit ist in Prozent"),
        ("return a share from 0 to 1", "geben Sie einen Anteil von 0 bis 1 zurück"),
    ),
    mistake(
        "    return right / count",
        "    return 1 - right / count",
        ("the share of wrong samples is returned", "der Anteil der falschen wird berechnet"),
        ("count where argmax equals t", "zählen Sie, wo argmax gleich t ist"),
    ),
    mistake(
        RIGHT,
        RIGHT.replace("right += ", "right = "),
        (
            "only the right samples of the last batch are counted",
            "nur die richtigen Samples des letzten Batches werden gezählt",
        ),
        ("add up: right += …", "addieren Sie auf: right += …"),
    ),
    mistake(
        RIGHT,
        RIGHT.replace("argmax", "argmin"),
        (
            "the class with the smallest output is taken",
            "die Klasse mit der kleinsten Ausgabe wird genommen",
        ),
        ("use argmax", "verwenden Sie argmax"),
    ),
    mistake(
        RIGHT,
        RIGHT.replace("argmax", "max"),
        (
            "the label is compared with something else than the index of each row's largest output",
            "das Label wird mit etwas anderem als dem Index der größten Ausgabe jeder Zeile "
            "verglichen",
        ),
        (
            "compare net(x).argmax(axis=1) == t",
            "vergleichen Sie net(x).argmax(axis=1) == t",
        ),
    ),
    Mistake(
        (
            (
                STEP,
                STEP + "            loss = criterion(net(x), t)\n            criterion.saved()\n",
            ),
        ),
        (
            "the losses are those after the step",
            "die Verluste sind die nach dem Schritt",
        ),
        (
            "use the loss of the forward pass that backward belongs to",
            "verwenden Sie den Verlust des Vorwärtsdurchlaufs, zu dem backward gehört",
        ),
    ),
    Mistake(
        ((RIGHT, RIGHT.replace("right += ", "right = ")), ("count += len(t)", "count = len(t)")),
        (
            "the accuracy is that of the last batch",
            "die Genauigkeit ist die des letzten Batches",
        ),
        (
            "set the counts to 0 before the loop, and add up",
            "setzen Sie die Zähler vor der Schleife auf 0 und addieren Sie auf",
        ),
    ),
    Mistake(
        ((ZERO, ""), (STEP, STEP + ZERO)),
        (
            "the first step also uses gradients that were there before fit",
            "der erste Schritt verwendet auch Gradienten von vor dem Aufruf von fit",
        ),
        (
            "call optimizer.zero_grad() before the first backward pass, too",
            "rufen Sie optimizer.zero_grad() auch vor dem ersten Rückwärtsdurchlauf auf",
        ),
    ),
)
