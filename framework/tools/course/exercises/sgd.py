"""Exercise: gradient descent with momentum."""

from firstlight.tools.course.exercise import Exercise, Mistake, mistake
from firstlight.tools.course.trials import update_rule

DECAY = 'g = g + group["weight_decay"] * w  # (n,)'
SHARE = 'share = 1 if t == 1 else 1 - group["dampening"]'
BUFFER = "b[...] = momentum * b + share * g"
NESTEROV = 'g = g + momentum * b if group["nesterov"] else b'
STEP = "w -= lr * g"

EXERCISE = Exercise(
    name="sgd",
    chapter=3,
    title=("SGD: gradient descent with momentum.", "SGD: Gradientenabstieg mit Momentum."),
    task=(
        "Fill in update, which the optimizer's step calls. group holds the hyper-parameters, e.g. "
        'group["lr"] and group["momentum"]; t is the number of the step, from 1; w and g are '
        "arrays of values and gradients, b the running sum, None without momentum. Change w and b "
        "in place; do not change g.",
        "Füllen Sie update aus, das step des Optimierers aufruft. group enthält die "
        'Hyperparameter, z. B. group["lr"] und group["momentum"]; t ist die Nummer des Schritts, '
        "ab 1; w und g sind Arrays der Werte und Gradienten, b ist die laufende Summe, ohne "
        "Momentum None. Ändern Sie w und b an Ort und Stelle, aber nicht g.",
    ),
    lessons={"firstlight.optim.sgd": ("SGD",)},
    blanks=("SGD.update",),
    trials=(
        update_rule("SGD"),
        update_rule("SGD", weight_decay=0.3),
        update_rule("SGD", momentum=0.8),
        update_rule("SGD", momentum=0.6, dampening=0.4),
        update_rule("SGD", momentum=0.6, weight_decay=0.3),
        update_rule("SGD", momentum=0.8, nesterov=True),
        update_rule("SGD", momentum=0.6, nesterov=True, weight_decay=0.3),
    ),
    mistakes=(
        mistake(
            STEP,
            "w = w - lr * g",
            (
                "w is not changed: the assignment binds the name w to a new array",
                "w wird nicht geändert: Die Zuweisung bindet den Namen w an ein neues Array",
            ),
            ("write w -= lr * b", "schreiben Sie w -= lr * b"),
        ),
        mistake(
            STEP,
            "w += lr * g",
            ("the step goes up the gradient", "der Schritt folgt dem Gradienten aufwärts"),
            ("subtract: w ← w - lr b", "subtrahieren Sie: w ← w - lr b"),
        ),
        mistake(
            STEP,
            "w -= g",
            ("the step lacks the factor lr", "dem Schritt fehlt der Faktor lr"),
            ("w ← w - lr b", "w ← w - lr b"),
        ),
        mistake(
            BUFFER,
            "b = momentum * b + share * g",
            (
                "the running sum is lost: b = … binds the name b to a new array",
                "die laufende Summe geht verloren: b = … bindet den Namen b an ein neues Array",
            ),
            ("write b[...] = μ b + g", "schreiben Sie b[...] = μ b + g"),
        ),
        mistake(
            BUFFER,
            "b[...] = momentum * b + (1 - momentum) * g",
            (
                "the gradient enters b with the factor 1 - μ",
                "der Gradient geht mit dem Faktor 1 - μ in b ein",
            ),
            (
                "b ← μ b + (1 - dampening) g; it is a sum, not a mean",
                "b ← μ b + (1 - dampening) g; b ist eine Summe, kein Mittelwert",
            ),
        ),
        Mistake(
            (
                (BUFFER, "b[...] = momentum * b + share * lr * g"),
                (NESTEROV, 'g = lr * g + momentum * b if group["nesterov"] else b'),
                (STEP, "w -= g if momentum else lr * g"),
            ),
            (
                "lr is inside the running sum, so that a new lr acts late",
                "lr steckt in der laufenden Summe, sodass ein neues lr verspätet wirkt",
            ),
            (
                "sum the gradients in b, and multiply by lr at the end: w ← w - lr b",
                "summieren Sie in b die Gradienten und multiplizieren Sie am Ende mit lr: "
                "w ← w - lr b",
            ),
        ),
        mistake(
            NESTEROV,
            "g = b",
            ("nesterov has no effect", "nesterov bleibt ohne Wirkung"),
            (
                'with group["nesterov"]: w ← w - lr (g + μ b)',
                'mit group["nesterov"]: w ← w - lr (g + μ b)',
            ),
        ),
        mistake(
            NESTEROV,
            'g = momentum * b if group["nesterov"] else b',
            (
                "with nesterov, the gradient is missing beside μ b",
                "mit nesterov fehlt der Gradient neben μ b",
            ),
            ("w ← w - lr (g + μ b)", "w ← w - lr (g + μ b)"),
        ),
        mistake(
            NESTEROV,
            'g = g + b if group["nesterov"] else b',
            ("with nesterov, b lacks the factor μ", "mit nesterov fehlt b der Faktor μ"),
            ("w ← w - lr (g + μ b)", "w ← w - lr (g + μ b)"),
        ),
        mistake(
            NESTEROV,
            "g = g + momentum * b",
            (
                "the look-ahead g + μ b is used without nesterov as well",
                "der Vorausblick g + μ b wird auch ohne nesterov verwendet",
            ),
            (
                'use b, unless group["nesterov"] is set',
                'verwenden Sie b, wenn group["nesterov"] nicht gesetzt ist',
            ),
        ),
        mistake(
            "if momentum:",
            "if t == 1:\n            b[...] = 0\n        if momentum:",
            (
                "without momentum, b is None, which raises an error",
                "ohne Momentum ist b None, was einen Fehler auslöst",
            ),
            (
                "use b only if the momentum is not 0",
                "verwenden Sie b nur, wenn das Momentum nicht 0 ist",
            ),
        ),
        mistake(
            SHARE,
            "share = 1",
            ("dampening has no effect", "dampening bleibt ohne Wirkung"),
            (
                "from the second step on, b ← μ b + (1 - dampening) g",
                "ab dem zweiten Schritt ist b ← μ b + (1 - dampening) g",
            ),
        ),
        mistake(
            SHARE,
            'share = 1 - group["dampening"]',
            ("the first gradient is dampened as well", "auch der erste Gradient wird gedämpft"),
            ("at t = 1, b ← g", "bei t = 1 ist b ← g"),
        ),
        mistake(
            SHARE,
            'share = 1 if t == 1 else group["dampening"]',
            (
                "the gradient enters b with the factor dampening instead of 1 - dampening",
                "der Gradient geht mit dem Faktor dampening statt 1 - dampening in b ein",
            ),
            (
                "b ← μ b + (1 - dampening) g, where dampening is 0 by default",
                "b ← μ b + (1 - dampening) g, wobei dampening ohne Angabe 0 ist",
            ),
        ),
        mistake(
            DECAY,
            "pass",
            ("weight_decay has no effect", "weight_decay bleibt ohne Wirkung"),
            ("begin with g ← g + weight_decay w", "beginnen Sie mit g ← g + weight_decay w"),
        ),
        mistake(
            DECAY,
            'g = g - group["weight_decay"] * w',
            ("weight_decay makes the weights grow", "weight_decay lässt die Gewichte wachsen"),
            ("add it: g ← g + weight_decay w", "addieren Sie: g ← g + weight_decay w"),
        ),
        Mistake(
            ((DECAY, 'decay = lr * group["weight_decay"] * w'), (STEP, "w -= lr * g + decay")),
            (
                "weight_decay does not enter the running sum b",
                "weight_decay geht nicht in die laufende Summe b ein",
            ),
            (
                "add it to the gradient first: g ← g + weight_decay w",
                "addieren Sie weight_decay w zuerst zum Gradienten: g ← g + weight_decay w",
            ),
        ),
        mistake(
            DECAY,
            'g += group["weight_decay"] * w',
            (
                "g is changed in place; it is the parameters' gradient itself",
                "g wird an Ort und Stelle geändert; es ist der Gradient der Parameter selbst",
            ),
            (
                "make a new array: g = g + weight_decay * w",
                "legen Sie ein neues Array an: g = g + weight_decay * w",
            ),
        ),
        mistake(
            BUFFER,
            "b[...] = b + share * g",
            (
                "the running sum is not multiplied by μ",
                "die laufende Summe wird nicht mit μ multipliziert",
            ),
            ("b ← μ b + (1 - dampening) g", "b ← μ b + (1 - dampening) g"),
        ),
        Mistake(
            ((DECAY, "raw = g\n        " + DECAY), (STEP, "w -= lr * raw")),
            (
                "the step goes along g alone, without weight_decay and momentum",
                "der Schritt folgt nur g, ohne weight_decay und Momentum",
            ),
            (
                "step along the running sum: w ← w - lr b",
                "gehen Sie entlang der laufenden Summe: w ← w - lr b",
            ),
        ),
        mistake(
            SHARE,
            "share = 1 if t == 1 else 1 - momentum",
            (
                "from the second step on, the gradient enters b with the factor 1 - μ",
                "ab dem zweiten Schritt geht der Gradient mit dem Faktor 1 - μ in b ein",
            ),
            (
                "b ← μ b + (1 - dampening) g; it is a sum, not a mean",
                "b ← μ b + (1 - dampening) g; b ist eine Summe, kein Mittelwert",
            ),
        ),
        mistake(
            'lr, momentum = group["lr"], group["momentum"]',
            'lr, momentum = group["lr"], 0.9 if group["momentum"] else 0',
            ("μ is always 0.9", "μ ist immer 0,9"),
            ('use group["momentum"]', 'verwenden Sie group["momentum"]'),
        ),
    ),
)
