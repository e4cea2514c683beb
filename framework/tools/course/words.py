"""The sentences of judgements, in English and German."""

from firstlight.tools.diagnose.kind import in_language

SENTENCES = {
    "follows": (
        "is wrong as a consequence of the mistake in {blank}",
        "ist falsch als Folge des Fehlers in {blank}",
    ),
    "first": (
        "mend {blank} first; this may follow from it",
        "verbessern Sie zuerst {blank}; dies kann eine Folge davon sein",
    ),
    "in place": (
        "changes its argument {name} in place; make a new array",
        "ändert sein Argument {name}; legen Sie stattdessen ein neues Array an",
    ),
    "overwritten": (
        "{name} is not added to the gradient: a second backward pass overwrites the first",
        "{name} wird nicht zum Gradienten addiert: Ein zweiter Durchlauf überschreibt den ersten",
    ),
    "add": (
        "use += instead of =, since the gradients of several passes add up",
        "verwenden Sie += statt =, denn die Gradienten mehrerer Durchläufe addieren sich",
    ),
    "line": ("the line should be: {line}", "die Zeile muss heißen: {line}"),
    "computing": ("in the computation of {output}", "bei der Berechnung von {output}"),
    "sizes": ("here, {sizes}", "hier: {sizes}"),
    "exits": ("the program exits early", "das Programm beendet sich vorzeitig"),
    "time": (
        "is not finished after {seconds} s; is there an endless loop?",
        "ist nach {seconds} s nicht fertig; gibt es eine Endlosschleife?",
    ),
    "no result": (
        "the process ended without a result ({how})",
        "der Prozess endete ohne Ergebnis ({how})",
    ),
    "none": ("is None; is a return missing?", "ist None; fehlt ein return?"),
    "not none": ("is an array, expected None", "ist ein Array, erwartet ist None"),
    "no array": ("is {got}, expected an array", "ist {got}, erwartet ist ein Array"),
    "shape": ("has shape {got}, expected {right}", "hat die Form {got}, erwartet ist {right}"),
    "dtype": (
        "has dtype {got}, expected {right}",
        "hat den dtype {got}, erwartet ist {right}",
    ),
    "nan": ("contains NaN or infinity", "enthält NaN oder unendlich"),
    "zero": ("is zero everywhere", "ist überall null"),
    "sign": ("has the wrong sign", "hat das falsche Vorzeichen"),
    "factor": ("is {factor} times the right value", "ist das {factor}-Fache des richtigen Werts"),
    "factor of": (
        "is wrong by a factor: {factor} = {size}",
        "ist um einen Faktor falsch: {factor} = {size}",
    ),
    "transposed": ("is transposed", "ist transponiert"),
    "partly": (
        "{count} of {total} entries are wrong, the first at {index}: {got}, expected {right}",
        "{count} von {total} Einträgen sind falsch, der erste bei {index}: {got}, erwartet {right}",
    ),
    "missing": ("the file is missing or empty", "die Datei fehlt oder ist leer"),
    "chapter": ("chapter", "Kapitel"),
    "exercise": ("exercise", "Aufgabe"),
    "state": ("state", "Stand"),
    "cause": ("cause", "Ursache"),
    "file": ("file", "Datei"),
    "done": ("{done} of {total} exercises right", "{done} von {total} Aufgaben richtig"),
    "look": ("look at", "siehe"),
    "more hints": (
        "one hint more: firstlight course check {name} --hint",
        "noch ein Hinweis: firstlight course check {name} --hint",
    ),
    "forbidden": ("not counted, because the solution", "nicht gewertet, denn die Lösung"),
    "lesson": ("uses firstlight's own solution", "verwendet firstlights eigene Lösung"),
    "import": ("imports a solution", "importiert eine Lösung"),
    "framework": ("imports another framework", "importiert ein anderes Framework"),
    "process": ("starts a process", "startet einen Prozess"),
    "network": ("uses the network", "verwendet das Netzwerk"),
    "write": ("writes outside its folder", "schreibt außerhalb ihres Ordners"),
    "patch": ("replaces functions of libraries", "ersetzt Funktionen von Bibliotheken"),
    "print": ("prints results itself", "gibt selbst Ergebnisse aus"),
    "tests": ("has changed tests", "hat geänderte Tests"),
    "exit": ("ends the process", "beendet den Prozess"),
    "read": ("reads other groups' files", "liest Dateien anderer Gruppen"),
    "grades": ("Grades", "Bewertung"),
    "graded": (
        "{groups} groups, {exercises} exercises, graded in {seconds} s with seed {seed}. Point at "
        "a number to read the cause; a group's name leads to its feedback.",
        "{groups} Gruppen, {exercises} Aufgaben, in {seconds} s bewertet mit Seed {seed}. Zeigen "
        "Sie auf eine Zahl, um die Ursache zu lesen; der Name einer Gruppe führt zu ihrem "
        "Feedback.",
    ),
    "group": ("group", "Gruppe"),
    "total": ("total", "Summe"),
    "of": ("of", "von"),
    "time needed": ("time", "Zeit"),
    "ended early": ("ended early", "vorzeitig beendet"),
    "line number": ("line {line}", "Zeile {line}"),
    "frequent causes": ("Most frequent causes", "Häufigste Ursachen"),
    "similar": ("Similar solutions", "Ähnliche Lösungen"),
    "about similarity": (
        "Nearly equal solutions, to be looked at: short exercises have few right solutions.",
        "Nahezu gleiche Lösungen, zum Ansehen: Kurze Aufgaben haben wenige richtige Lösungen.",
    ),
    "holds": ("is so, but should not be", "trifft zu, soll aber nicht"),
    "fails": ("is not so", "trifft nicht zu"),
    "nearly": (
        "is off by a relative error of {error}; is a number added or rounded?",
        "ist um einen relativen Fehler von {error} falsch; wird eine Zahl addiert oder gerundet?",
    ),
    "number": ("is {got}, expected {right}", "ist {got}, erwartet ist {right}"),
}

MUTATIONS = {  # of the lesson
    "term": (
        "in the computation of {target}, the term {code} is missing",
        "bei der Berechnung von {target} fehlt der Term {code}",
    ),
    "factor": (
        "in the computation of {target}, the factor {code} is missing",
        "bei der Berechnung von {target} fehlt der Faktor {code}",
    ),
    "twice": (
        "in the computation of {target}, the term {code} is twice as large as it should be",
        "bei der Berechnung von {target} ist der Term {code} doppelt so groß, wie er sein soll",
    ),
    "divisor": (
        "in the computation of {target}, the division by {code} is missing",
        "bei der Berechnung von {target} fehlt die Division durch {code}",
    ),
    "power": (
        "in the computation of {target}, the power of {code} is missing",
        "bei der Berechnung von {target} fehlt die Potenz von {code}",
    ),
    "other": (
        "in the computation of {target}, {wrong} stands in place of {code}",
        "bei der Berechnung von {target} steht {wrong} statt {code}",
    ),
    "exchanged": (
        "in the computation of {target}, {wrong} and {code} are exchanged",
        "bei der Berechnung von {target} sind {wrong} und {code} vertauscht",
    ),
    "call": ("the call {code} is missing", "der Aufruf {code} fehlt"),
    "transposed": (
        "in the computation of {target}, {code} is not transposed",
        "bei der Berechnung von {target} ist {code} nicht transponiert",
    ),
    "sign": (
        "in the computation of {target}, the sign of {code} is wrong",
        "bei der Berechnung von {target} ist das Vorzeichen von {code} falsch",
    ),
    "overwritten": (
        "{target} is overwritten, where something should be added to it",
        "{target} wird überschrieben, statt dass etwas addiert wird",
    ),
    "left out": (
        "{target} does not change: the step that computes it is missing",
        "{target} ändert sich nicht: Der Schritt, der es berechnet, fehlt",
    ),
    "never": ("the case {code} is not handled", "der Fall {code} wird nicht behandelt"),
    "always": (
        "the case in which {code} does not hold is not handled",
        "der Fall, in dem {code} nicht gilt, wird nicht behandelt",
    ),
    "cure": ("compare with the lesson: {line}", "vergleichen Sie mit der Lektion: {line}"),
    "result": ("the result", "dem Ergebnis"),  # after "von"
    "condition": ("a condition or call", "einer Bedingung oder einem Aufruf"),
}

STATES = {  # of exercises and blanks
    "right": ("right", "richtig"),
    "wrong": ("wrong", "falsch"),
    "empty": ("not filled in", "noch leer"),
    "unknown": ("not reached", "nicht erreicht"),
    "forbidden": ("not counted", "nicht gewertet"),
}


def say(key: str, **values: object) -> str:
    """Return a sentence in the current language."""
    return in_language(SENTENCES[key]).format(**values)
