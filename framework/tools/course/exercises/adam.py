"""Exercise: Adam."""

from firstlight.tools.course.exercise import Exercise, Mistake, mistake
from firstlight.tools.course.trials import update_rule

DECAY = 'g = g + group["weight_decay"] * w  # (n,)'
M = "m[...] = beta1 * m + (1 - beta1) * g"
V = "v[...] = beta2 * v + (1 - beta2) * g**2"
M_HAT = "m_hat = m / (1 - beta1**t)"
V_HAT = "v_hat = v / (1 - beta2**t)"
STEP = "w -= lr * m_hat / (np.sqrt(v_hat) + eps)"

EXERCISE = Exercise(
    name="adam",
    chapter=3,
    title=(
        "Adam: steps relative to the size of the gradient.",
        "Adam: Schritte relativ zur Größe des Gradienten.",
    ),
    task=(
        "Fill in update, which the optimizer's step calls. group holds the hyper-parameters: "
        'group["lr"], group["betas"] = (β₁, β₂), group["eps"], group["weight_decay"]. t is the '
        "number of the step, from 1; w and g are arrays of values and gradients, m and v the "
        "running means, 0 at first. Change w, m and v in place; do not change g.",
        "Füllen Sie update aus, das step des Optimierers aufruft. group enthält die "
        'Hyperparameter: group["lr"], group["betas"] = (β₁, β₂), group["eps"], '
        'group["weight_decay"]. t ist die Nummer des Schritts, ab 1; w und g sind Arrays der Werte '
        "und Gradienten, m und v die laufenden Mittelwerte, anfangs 0. Ändern Sie w, m und v an "
        "Ort und Stelle, aber nicht g.",
    ),
    lessons={"firstlight.optim.adam": ("Adam",)},
    blanks=("Adam.update",),
    trials=(
        update_rule("Adam", betas=(0.8, 0.95), eps=0.01),
        update_rule("Adam", betas=(0.6, 0.9), eps=0.5),
        update_rule("Adam", betas=(0.7, 0.9), eps=0.01, weight_decay=0.3),
    ),
    mistakes=(
        Mistake(
            ((M_HAT, "m_hat = m"), (V_HAT, "v_hat = v")),
            (
                "the correction of the running means is missing: they begin at 0",
                "die Korrektur der laufenden Mittelwerte fehlt: Sie beginnen bei 0",
            ),
            (
                "divide m by 1 - β₁ᵗ, and v by 1 - β₂ᵗ",
                "teilen Sie m durch 1 - β₁ᵗ und v durch 1 - β₂ᵗ",
            ),
        ),
        Mistake(
            (
                (M_HAT, M_HAT.replace("beta1", "beta2")),
                (V_HAT, V_HAT.replace("beta2", "beta1")),
            ),
            (
                "the corrections of m and v are exchanged",
                "die Korrekturen von m und v sind vertauscht",
            ),
            (
                "divide m by 1 - β₁ᵗ, and v by 1 - β₂ᵗ",
                "teilen Sie m durch 1 - β₁ᵗ und v durch 1 - β₂ᵗ",
            ),
        ),
        Mistake(
            ((DECAY, "d = g\n        " + DECAY), (V, V.replace("g**2", "d**2"))),
            (
                "v is the mean of g² without weight_decay w",
                "v ist der Mittelwert von g² ohne weight_decay w",
            ),
            (
                "add weight_decay w to g first, and use the sum in m and v",
                "addieren Sie weight_decay w zuerst zu g und verwenden Sie die Summe in m und v",
            ),
        ),
        mistake(
            M_HAT,
            "m_hat = m",
            ("m is not divided by 1 - β₁ᵗ", "m wird nicht durch 1 - β₁ᵗ geteilt"),
            ("m̂ = m / (1 - β₁ᵗ)", "m̂ = m / (1 - β₁ᵗ)"),
        ),
        mistake(
            V_HAT,
            "v_hat = v",
            ("v is not divided by 1 - β₂ᵗ", "v wird nicht durch 1 - β₂ᵗ geteilt"),
            ("v̂ = v / (1 - β₂ᵗ)", "v̂ = v / (1 - β₂ᵗ)"),
        ),
        Mistake(
            ((M_HAT, "m_hat = m / (1 - beta1)"), (V_HAT, "v_hat = v / (1 - beta2)")),
            (
                "the correction is that of the first step at every step",
                "die Korrektur ist in jedem Schritt die des ersten",
            ),
            ("raise β₁ and β₂ to the power t", "nehmen Sie β₁ und β₂ hoch t"),
        ),
        Mistake(
            (
                (M_HAT, M_HAT.replace("**t", "**(t + 1)")),
                (V_HAT, V_HAT.replace("**t", "**(t + 1)")),
            ),
            (
                "the correction is that of the next step: t + 1 instead of t",
                "die Korrektur ist die des nächsten Schritts: t + 1 statt t",
            ),
            ("t is 1 at the first step", "t ist beim ersten Schritt 1"),
        ),
        Mistake(
            (
                (M_HAT, M_HAT.replace("**t", "**(t - 1)")),
                (V_HAT, V_HAT.replace("**t", "**(t - 1)")),
            ),
            (
                "the correction divides by 0 at the first step: t - 1 instead of t",
                "die Korrektur teilt beim ersten Schritt durch 0: t - 1 statt t",
            ),
            ("t is 1 at the first step", "t ist beim ersten Schritt 1"),
        ),
        Mistake(
            (
                (M_HAT, M_HAT.replace("beta1**t", "beta1 * t")),
                (V_HAT, V_HAT.replace("beta2**t", "beta2 * t")),
            ),
            (
                "β is multiplied by t instead of raised to the power t",
                "β wird mit t multipliziert statt mit t potenziert",
            ),
            ("use beta1**t and beta2**t", "verwenden Sie beta1**t und beta2**t"),
        ),
        mistake(
            STEP,
            "w -= lr * m_hat / np.sqrt(v_hat + eps)",
            ("eps is inside the root", "eps steht unter der Wurzel"),
            ("√v̂ + eps", "√v̂ + eps"),
        ),
        mistake(
            STEP,
            "w -= lr * m_hat / ((np.sqrt(v) + eps) / np.sqrt(1 - beta2**t))",
            ("eps is added before the correction of v", "eps wird vor der Korrektur von v addiert"),
            (
                "divide v by 1 - β₂ᵗ first, then take the root and add eps",
                "teilen Sie v zuerst durch 1 - β₂ᵗ, ziehen Sie die Wurzel und addieren Sie eps",
            ),
        ),
        mistake(
            STEP,
            "w -= lr * m_hat / np.sqrt(v_hat)",
            ("eps has no effect", "eps bleibt ohne Wirkung"),
            ("divide by √v̂ + eps", "teilen Sie durch √v̂ + eps"),
        ),
        mistake(
            STEP,
            "w -= lr * m_hat / (v_hat + eps)",
            ("the root of v̂ is missing", "die Wurzel von v̂ fehlt"),
            ("divide by √v̂ + eps", "teilen Sie durch √v̂ + eps"),
        ),
        mistake(
            STEP,
            "w -= lr * m_hat",
            (
                "the step is not divided by √v̂ + eps",
                "der Schritt wird nicht durch √v̂ + eps geteilt",
            ),
            ("w ← w - lr · m̂ / (√v̂ + eps)", "w ← w - lr · m̂ / (√v̂ + eps)"),
        ),
        mistake(
            STEP,
            "w -= lr * g / (np.sqrt(v_hat) + eps)",
            (
                "the step goes along the gradient instead of its running mean m̂",
                "der Schritt folgt dem Gradienten statt seinem laufenden Mittelwert m̂",
            ),
            ("w ← w - lr · m̂ / (√v̂ + eps)", "w ← w - lr · m̂ / (√v̂ + eps)"),
        ),
        mistake(
            STEP,
            "w += lr * m_hat / (np.sqrt(v_hat) + eps)",
            ("the step goes up the gradient", "der Schritt folgt dem Gradienten aufwärts"),
            ("subtract the step", "subtrahieren Sie den Schritt"),
        ),
        mistake(
            STEP,
            "w = w - lr * m_hat / (np.sqrt(v_hat) + eps)",
            (
                "w is not changed: the assignment binds the name w to a new array",
                "w wird nicht geändert: Die Zuweisung bindet den Namen w an ein neues Array",
            ),
            ("write w -= …", "schreiben Sie w -= …"),
        ),
        mistake(
            'lr, (beta1, beta2), eps = group["lr"]',
            'lr, (beta2, beta1), eps = group["lr"]',
            ("β₁ and β₂ are swapped", "β₁ und β₂ sind vertauscht"),
            (
                'group["betas"] is (β₁, β₂): β₁ belongs to m, β₂ to v',
                'group["betas"] ist (β₁, β₂): β₁ gehört zu m, β₂ zu v',
            ),
        ),
        mistake(
            V,
            "v[...] = beta2 * v + (1 - beta2) * g",
            ("v is the mean of g instead of g²", "v ist der Mittelwert von g statt von g²"),
            ("v ← β₂ v + (1 - β₂) g²", "v ← β₂ v + (1 - β₂) g²"),
        ),
        Mistake(
            ((M, "m[...] = beta1 * m + g"), (V, "v[...] = beta2 * v + g**2")),
            ("m and v are sums instead of means", "m und v sind Summen statt Mittelwerte"),
            (
                "multiply g by 1 - β₁, and g² by 1 - β₂",
                "multiplizieren Sie g mit 1 - β₁ und g² mit 1 - β₂",
            ),
        ),
        Mistake(
            ((M, M.replace("[...]", "")), (V, V.replace("[...]", ""))),
            (
                "m and v are lost: m = … binds the name m to a new array",
                "m und v gehen verloren: m = … bindet den Namen m an ein neues Array",
            ),
            ("write m[...] = … and v[...] = …", "schreiben Sie m[...] = … und v[...] = …"),
        ),
        Mistake(
            (
                (M_HAT, "m /= 1 - beta1**t\n        m_hat = m"),
                (V_HAT, "v /= 1 - beta2**t\n        v_hat = v"),
            ),
            (
                "the corrected means are kept as m and v, and corrected again at the next step",
                "die korrigierten Mittelwerte bleiben in m und v und werden beim nächsten Schritt "
                "nochmals korrigiert",
            ),
            ("compute m̂ and v̂ as new arrays", "berechnen Sie m̂ und v̂ als neue Arrays"),
        ),
        mistake(
            DECAY,
            "pass",
            ("weight_decay has no effect", "weight_decay bleibt ohne Wirkung"),
            ("begin with g ← g + weight_decay w", "beginnen Sie mit g ← g + weight_decay w"),
        ),
        Mistake(
            ((DECAY, 'w -= lr * group["weight_decay"] * w'),),
            (
                "weight_decay is subtracted from w directly, as in AdamW",
                "weight_decay wird direkt von w abgezogen, wie in AdamW",
            ),
            (
                "in Adam, it is added to the gradient: g ← g + weight_decay w",
                "in Adam wird er zum Gradienten addiert: g ← g + weight_decay w",
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
            V_HAT,
            V_HAT.replace("beta2", "beta1"),
            ("v is corrected with β₁", "v wird mit β₁ korrigiert"),
            ("v̂ = v / (1 - β₂ᵗ)", "v̂ = v / (1 - β₂ᵗ)"),
        ),
        Mistake(
            ((M_HAT, M_HAT.replace("/", "*")), (V_HAT, V_HAT.replace("/", "*"))),
            (
                "m and v are multiplied by the correction instead of divided",
                "m und v werden mit der Korrektur multipliziert statt dadurch geteilt",
            ),
            (
                "divide m by 1 - β₁ᵗ, and v by 1 - β₂ᵗ",
                "teilen Sie m durch 1 - β₁ᵗ und v durch 1 - β₂ᵗ",
            ),
        ),
        Mistake(
            (
                (M, "m[...] = (1 - beta1) * m + beta1 * g"),
                (V, "v[...] = (1 - beta2) * v + beta2 * g**2"),
            ),
            ("β and 1 - β are swapped", "β und 1 - β sind vertauscht"),
            (
                "β multiplies the old mean: m ← β₁ m + (1 - β₁) g",
                "β multipliziert den alten Mittelwert: m ← β₁ m + (1 - β₁) g",
            ),
        ),
        mistake(
            STEP,
            "w -= lr * m_hat / np.sqrt(v_hat) + eps",
            (
                "eps is added to the step instead of the divisor",
                "eps wird zum Schritt statt zum Nenner addiert",
            ),
            ("set brackets: (√v̂ + eps)", "setzen Sie Klammern: (√v̂ + eps)"),
        ),
        mistake(
            STEP,
            "w -= lr * m_hat / (np.sqrt(v) / (1 - beta2**t) + eps)",
            (
                "√v is divided by 1 - β₂ᵗ instead of v",
                "√v wird durch 1 - β₂ᵗ geteilt statt v",
            ),
            (
                "correct v first, then take the root of v̂",
                "korrigieren Sie zuerst v und ziehen Sie dann die Wurzel aus v̂",
            ),
        ),
        mistake(
            DECAY,
            'g = g - group["weight_decay"] * w',
            ("weight_decay makes the weights grow", "weight_decay lässt die Gewichte wachsen"),
            ("add it: g ← g + weight_decay w", "addieren Sie: g ← g + weight_decay w"),
        ),
        mistake(
            M,
            M.replace("[...]", ""),
            (
                "m is lost: m = … binds the name m to a new array",
                "m geht verloren: m = … bindet den Namen m an ein neues Array",
            ),
            ("write m[...] = …", "schreiben Sie m[...] = …"),
        ),
        mistake(
            V,
            V.replace("[...]", ""),
            (
                "v is lost: v = … binds the name v to a new array",
                "v geht verloren: v = … bindet den Namen v an ein neues Array",
            ),
            ("write v[...] = …", "schreiben Sie v[...] = …"),
        ),
        mistake(
            'lr, (beta1, beta2), eps = group["lr"], group["betas"], group["eps"]',
            'lr, (beta1, beta2), eps = group["lr"], (0.9, 0.999), group["eps"]',
            ("β₁ is always 0.9 and β₂ 0.999", "β₁ ist immer 0,9 und β₂ immer 0,999"),
            ('use group["betas"]', 'verwenden Sie group["betas"]'),
        ),
        mistake(
            M,
            "m[...] = (1 - beta1) * m + beta1 * g",
            (
                "β₁ and 1 - β₁ are swapped in m",
                "in m sind β₁ und 1 - β₁ vertauscht",
            ),
            ("m ← β₁ m + (1 - β₁) g", "m ← β₁ m + (1 - β₁) g"),
        ),
    ),
)
