"""The known mistakes of the exercise `cross_entropy`."""

from firstlight.tools.course.exercise import Mistake, mistake

SHIFT = "x = x - x.max(axis=-1, keepdims=True)  # (..., C)"
NLL = "nll = np.log(np.exp(x).sum(axis=-1, keepdims=True)) - x  # (..., C)  -log p"
SUM = "losses = (g * np.where(g != 0, nll, 0)).sum(axis=-1)"
RETURN = 'return losses if self.reduction == "none" else losses.sum() / D'
P = "p = np.exp(-nll)"
DX = "return dloss / D * (g.sum(axis=-1, keepdims=True) * p - g)"


MISTAKES = (
    mistake(
        SHIFT,
        "",
        ("exp overflows for large logits", "exp läuft für große Logits über"),
        (
            "subtract each row's largest logit first",
            "ziehen Sie zuerst von jeder Zeile ihr größtes Logit ab",
        ),
    ),
    mistake(
        SHIFT,
        "x = x - x.max()",
        (
            "the maximum is that of the whole batch, so that exp of other rows is 0",
            "das Maximum ist das des ganzen Batches, sodass exp anderer Zeilen 0 ist",
        ),
        (
            "subtract each row's own maximum: x.max(axis=-1, keepdims=True)",
            "ziehen Sie von jeder Zeile ihr eigenes Maximum ab: x.max(axis=-1, keepdims=True)",
        ),
    ),
    mistake(
        NLL,
        "p = np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)\n        nll = -np.log(p)",
        (
            "p is 0 for logits that are far apart, and log 0 infinite",
            "p ist 0 für Logits, die weit auseinander liegen, und log 0 unendlich",
        ),
        (
            "compute -log p without p: log Σ_k exp(x_k) - x_c",
            "berechnen Sie -log p ohne p: log Σ_k exp(x_k) - x_c",
        ),
    ),
    Mistake(
        ((SHIFT, "x = x - x.max(axis=0)"), (NLL, NLL.replace("axis=-1", "axis=0"))),
        (
            "softmax runs over the samples instead of the classes",
            "die Softmax läuft über die Samples statt über die Klassen",
        ),
        (
            "sum over the last axis: axis=-1, keepdims=True",
            "summieren Sie über die letzte Achse: axis=-1, keepdims=True",
        ),
    ),
    mistake(
        NLL,
        NLL.replace("np.log(", "np.log2("),
        ("the logarithm is that of base 2", "der Logarithmus ist der zur Basis 2"),
        ("use np.log", "verwenden Sie np.log"),
    ),
    mistake(
        NLL,
        "nll = -x",
        ("log Σ_k exp(x_k) is missing", "log Σ_k exp(x_k) fehlt"),
        ("-log p_c = log Σ_k exp(x_k) - x_c", "-log p_c = log Σ_k exp(x_k) - x_c"),
    ),
    mistake(
        NLL,
        NLL.replace("nll = np.log(", "nll = -np.log(").replace("- x  #", "+ x  #"),
        ("the loss has the wrong sign", "der Verlust hat das falsche Vorzeichen"),
        (
            "-log p_c = log Σ_k exp(x_k) - x_c is positive",
            "-log p_c = log Σ_k exp(x_k) - x_c ist positiv",
        ),
    ),
    mistake(
        RETURN,
        'return losses if self.reduction == "none" else losses.sum()',
        ("the loss is not divided by D", "der Verlust wird nicht durch D geteilt"),
        ("L = Σ_n Σ_c g_nc (-log p_nc) / D", "L = Σ_n Σ_c g_nc (-log p_nc) / D"),
    ),
    mistake(
        RETURN,
        'return losses if self.reduction == "none" else losses.mean()',
        (
            "the loss is divided by the number of rows instead of D",
            "der Verlust wird durch die Anzahl der Zeilen statt durch D geteilt",
        ),
        (
            "D from _targets knows the reduction, class weights and ignored rows",
            "D aus _targets kennt die Reduktion, Klassengewichte und ignorierte Zeilen",
        ),
    ),
    mistake(
        RETURN,
        'return losses if self.reduction == "none" else losses.sum() / prediction.size',
        ("the loss is divided by N·C", "der Verlust wird durch N·C geteilt"),
        ("divide by D", "teilen Sie durch D"),
    ),
    mistake(
        RETURN,
        "return losses.sum() / D",
        ('reduction="none" is ignored', 'reduction="none" wird nicht beachtet'),
        (
            'return each row\'s loss if self.reduction == "none"',
            'geben Sie den Verlust jeder Zeile zurück, wenn self.reduction == "none" ist',
        ),
    ),
    mistake(
        SUM,
        "losses = (g * nll).sum(axis=-1)",
        ("0 · ∞ is NaN where a logit is -inf", "0 · ∞ ist NaN, wo ein Logit -inf ist"),
        (
            "count only what has a weight: np.where(g != 0, nll, 0)",
            "zählen Sie nur, was ein Gewicht hat: np.where(g != 0, nll, 0)",
        ),
    ),
    mistake(
        SUM,
        "losses = -(g * np.log(np.exp(-nll) + 1e-12)).sum(axis=-1)",
        (
            "the loss is the logarithm of p + 1e-12, which is too small where p is close to 0",
            "der Verlust ist der Logarithmus von p + 1e-12, zu klein, wo p nahe 0 ist",
        ),
        (
            "compute -log p without p: log Σ_k exp(x_k) - x_c",
            "berechnen Sie -log p ohne p: log Σ_k exp(x_k) - x_c",
        ),
    ),
    mistake(
        "x = np.where(counted, prediction, 0)",
        "x = prediction",
        (
            "NaN in an ignored row makes dx NaN",
            "NaN in einer ignorierten Zeile macht dx zu NaN",
        ),
        (
            "replace rows of which all g are 0 by 0 first",
            "ersetzen Sie Zeilen, in denen alle g 0 sind, zuerst durch 0",
        ),
    ),
    Mistake(
        (
            ("x = np.where(counted, prediction, 0)", "x = prediction"),
            (SUM, "losses = (g * nll).sum(axis=-1)"),
        ),
        (
            "logits that do not count make loss and dx NaN: 0 · ∞ and 0 · NaN are NaN",
            "Logits, die nicht zählen, machen Verlust und dx zu NaN: 0 · ∞ und 0 · NaN sind NaN",
        ),
        (
            "replace rows of which all g are 0 by 0 first, and sum np.where(g != 0, nll, 0)",
            "ersetzen Sie Zeilen, in denen alle g 0 sind, zuerst durch 0, und summieren Sie "
            "np.where(g != 0, nll, 0)",
        ),
    ),
    mistake(
        DX,
        DX.replace("g.sum(axis=-1, keepdims=True) * p", "p"),
        (
            "p lacks the factor Σ_k g_k, which is not 1 for weighted and ignored rows",
            "p fehlt der Faktor Σ_k g_k, der für gewichtete und ignorierte Zeilen nicht 1 ist",
        ),
        ("dx_c = ((Σ_k g_k) p_c - g_c) / D", "dx_c = ((Σ_k g_k) p_c - g_c) / D"),
    ),
    mistake(
        DX,
        DX.replace("dloss / D", "dloss"),
        ("dx is not divided by D", "dx wird nicht durch D geteilt"),
        ("divide by D, as forward does", "teilen Sie durch D, wie forward es tut"),
    ),
    mistake(
        DX,
        DX.replace("dloss / D", "dloss / len(g)"),
        (
            "dx is divided by the number of rows instead of D",
            "dx wird durch die Anzahl der Zeilen statt durch D geteilt",
        ),
        (
            "save D in forward, and divide by it",
            "bewahren Sie D in forward auf und teilen Sie dadurch",
        ),
    ),
    mistake(
        DX,
        DX.replace("dloss / D", "dloss / D / len(g)"),
        ("dx is divided by N once too often", "dx wird einmal zu oft durch N geteilt"),
        ("divide by D only, which holds N", "teilen Sie nur durch D, worin N enthalten ist"),
    ),
    mistake(
        DX,
        DX.replace("dloss / D", "-dloss / D"),
        ("dx has the wrong sign", "dx hat das falsche Vorzeichen"),
        ("dx_c = p_c - [c = t], divided by D", "dx_c = p_c - [c = t], geteilt durch D"),
    ),
    mistake(
        DX,
        DX.replace("dloss / D", "1 / D"),
        ("dloss has no effect", "dloss bleibt ohne Wirkung"),
        (
            "multiply by dloss, the gradient of what follows",
            "multiplizieren Sie mit dloss, dem Gradienten dessen, was folgt",
        ),
    ),
    mistake(
        DX,
        DX.replace(" - g)", ")"),
        ("dx lacks the targets g", "in dx fehlen die Ziele g"),
        ("subtract g_c: p_c - [c = t]", "ziehen Sie g_c ab: p_c - [c = t]"),
    ),
    mistake(
        P,
        "p = np.exp(nll)",
        ("p is exp(nll), that is 1/p", "p ist exp(nll), also 1/p"),
        ("p = exp(-nll)", "p = exp(-nll), mit nll = -log p"),
    ),
    mistake(
        P,
        "p = nll",
        ("-log p is used instead of p", "-log p wird statt p verwendet"),
        ("p = exp(-nll)", "p = exp(-nll)"),
    ),
    mistake(
        DX,
        DX.replace("* p - g", "* p * (1 - p) - g"),
        ("p (1 - p) is used instead of p", "p (1 - p) wird statt p verwendet"),
        (
            "with the logarithm, softmax's derivative becomes p_c - [c = t]",
            "mit dem Logarithmus wird die Ableitung der Softmax zu p_c - [c = t]",
        ),
    ),
    mistake(
        SHIFT,
        "x = x - x.max(axis=0)",
        (
            "the maximum is that of each class over the samples, which changes p",
            "das Maximum ist das jeder Klasse über die Samples, was p verändert",
        ),
        (
            "subtract each row's own maximum: x.max(axis=-1, keepdims=True)",
            "ziehen Sie von jeder Zeile ihr eigenes Maximum ab: x.max(axis=-1, keepdims=True)",
        ),
    ),
    mistake(
        NLL,
        "nll = np.log(np.exp(x).sum()) - x",
        (
            "the sum of exp runs over the whole batch instead of each row",
            "die Summe von exp läuft über den ganzen Batch statt über jede Zeile",
        ),
        (
            "sum over the classes: axis=-1, keepdims=True",
            "summieren Sie über die Klassen: axis=-1, keepdims=True",
        ),
    ),
    mistake(
        P,
        "p = np.exp(nll.min(axis=-1, keepdims=True) - nll)",
        (
            "p is not divided by the sum over the classes",
            "p wird nicht durch die Summe über die Klassen geteilt",
        ),
        ("p_c = exp(x_c) / Σ_k exp(x_k)", "p_c = exp(x_c) / Σ_k exp(x_k)"),
    ),
    mistake(
        DX,
        DX.replace("g.sum(axis=-1, keepdims=True) * p", "(g != 0).any(axis=-1, keepdims=True) * p"),
        (
            "p lacks the factor Σ_k g_k, which is not 1 with class weights",
            "p fehlt der Faktor Σ_k g_k, der mit Klassengewichten nicht 1 ist",
        ),
        ("dx_c = ((Σ_k g_k) p_c - g_c) / D", "dx_c = ((Σ_k g_k) p_c - g_c) / D"),
    ),
)
