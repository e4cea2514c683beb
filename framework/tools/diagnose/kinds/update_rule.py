"""Update rules of the user's optimizers that differ from what their names say in one place."""

from firstlight.tools.diagnose.examples import regression
from firstlight.tools.diagnose.kind import Findings, Kind, Place
from firstlight.tools.diagnose.probes.optimizers.optimizer_laws import broken_law
from firstlight.tools.diagnose.probes.optimizers.optimizer_runs import OptimizerRun, pattern

SECONDS = 2.0  # for the search of a corrected line


class UpdateRule(Kind):
    """An optimizer whose steps are exactly those of a usual rule with one mistake."""

    name = "update-rule"
    about = OptimizerRun
    title = "wrong update rule", "falsche Update-Regel"
    look = (
        "the formula of the update, term by term, beside that of the paper",
        "die Formel des Updates, Term für Term neben der des Artikels",
    )
    causes = frozenset({"overfit", "lr-high", "lr-low", "uphill"})
    says = {
        "uphill": (
            "{who} goes uphill: a positive gradient increases the weight",
            "{who} läuft bergauf: Ein positiver Gradient erhöht das Gewicht",
        ),
        "lr-twice": (
            "the learning rate enters the step of {who} twice",
            "die Learning Rate geht zweimal in den Schritt von {who} ein",
        ),
        "lr-unused": (
            "{who} ignores its learning rate: its steps are those of lr = 1",
            "{who} verwendet seine Learning Rate nicht: Seine Schritte sind die von lr = 1",
        ),
        "momentum-sign": (
            "{who} subtracts the momentum: it keeps -{beta1:g} in place of {beta1:g}",
            "{who} zieht das Momentum ab: Es behält -{beta1:g} statt {beta1:g}",
        ),
        "momentum-turned": (
            "{who} keeps 1 - {beta1:g} of its running mean in place of {beta1:g}",
            "{who} behält 1 - {beta1:g} seines laufenden Mittels statt {beta1:g}",
        ),
        "momentum-lost": (
            "{who} loses its momentum: each step uses the present gradient alone",
            "{who} verliert sein Momentum: Jeder Schritt nutzt nur den aktuellen Gradienten",
        ),
        "replaced": (
            "the loss depends on {who} itself, which moves as a velocity does: β {who} - lr g; the "
            "step has replaced the weights and has to be added to them, += in place of =",
            "der Loss hängt von {who} selbst ab, das sich wie eine Geschwindigkeit bewegt: "
            "β {who} - lr g; der Schritt hat die Gewichte ersetzt und muss zu ihnen addiert "
            "werden, += statt =",
        ),
        "not-kept": (
            "{who} never writes into its state {state}, which stays zero: an assignment to the "
            "name makes another array, {state}[...] = writes",
            "{who} schreibt nie in seinen Zustand {state}, der null bleibt: Eine Zuweisung an den "
            "Namen erzeugt ein anderes Array, {state}[...] = schreibt",
        ),
        "no-look-ahead": (
            "{who} is Nesterov's by name, and its steps are those of plain momentum",
            "{who} heißt nach Nesterov, und seine Schritte sind die von einfachem Momentum",
        ),
        "not-squared": (
            "{who} averages g where it should average g²",
            "{who} mittelt g statt g²",
        ),
        "absolute": ("{who} averages |g| where it should average g²", "{who} mittelt |g| statt g²"),
        "square-of-mean": (
            "the second moment of {who} averages the square of the first moment, not g²",
            "das zweite Moment von {who} mittelt das Quadrat des ersten Moments statt g²",
        ),
        "no-root": (
            "{who} divides by the second moment; its square root is missing",
            "{who} teilt durch das zweite Moment; die Wurzel fehlt",
        ),
        "multiplied": (
            "{who} multiplies by the root of the second moment, and should divide by it",
            "{who} multipliziert mit der Wurzel des zweiten Moments, statt durch sie zu teilen",
        ),
        "second-lost": (
            "{who} loses its second moment: each step uses the present g² alone",
            "{who} verliert sein zweites Moment: Jeder Schritt nutzt nur das aktuelle g²",
        ),
        "second-sum": (
            "the second moment of {who} is a growing sum: the factor 1 - {beta2:g} of the new g², "
            "or {beta2:g} of the old mean, is missing",
            "das zweite Moment von {who} ist eine wachsende Summe: Der Faktor 1 - {beta2:g} des "
            "neuen g² oder {beta2:g} des alten Mittels fehlt",
        ),
        "second-mean": (
            "{who} averages g² over time, where Adagrad adds it up",
            "{who} mittelt g² über die Zeit, Adagrad aber summiert es",
        ),
        "second-turned": (
            "{who} keeps 1 - {beta2:g} of its second moment in place of {beta2:g}",
            "{who} behält 1 - {beta2:g} seines zweiten Moments statt {beta2:g}",
        ),
        "betas-swapped": (
            "{who} swaps its betas: {beta1:g} for v, {beta2:g} for m",
            "{who} vertauscht seine Betas: {beta1:g} für v, {beta2:g} für m",
        ),
        "first-sum": (
            "the first moment of {who} lacks the factor 1 - {beta1:g} of the new gradient: steps "
            "are up to {times:.0f} times too large",
            "dem ersten Moment von {who} fehlt der Faktor 1 - {beta1:g} des neuen Gradienten: "
            "Schritte werden bis zu {times:.0f}-mal zu groß",
        ),
        "no-correction": (
            "{who} has no bias correction: m / (1 - β₁ᵗ) and v / (1 - β₂ᵗ) are missing",
            "{who} hat keine Bias-Korrektur: m / (1 - β₁ᵗ) und v / (1 - β₂ᵗ) fehlen",
        ),
        "first-only": (
            "{who} corrects the first moment only; v / (1 - β₂ᵗ) is missing",
            "{who} korrigiert nur das erste Moment; v / (1 - β₂ᵗ) fehlt",
        ),
        "second-only": (
            "{who} corrects the second moment only; m / (1 - β₁ᵗ) is missing",
            "{who} korrigiert nur das zweite Moment; m / (1 - β₁ᵗ) fehlt",
        ),
        "corrections-swapped": (
            "{who} corrects the first moment by β₂ and the second by β₁",
            "{who} korrigiert das erste Moment mit β₂ und das zweite mit β₁",
        ),
        "share-of-other": (
            "{who} takes the share of one moment from the other's beta: β m + (1 - β) g needs the "
            "same β twice",
            "{who} nimmt den Anteil eines Moments vom Beta des anderen: β m + (1 - β) g braucht "
            "zweimal dasselbe β",
        ),
        "correction-constant": (
            "the bias correction of {who} is 1 - β in every step in place of 1 - βᵗ",
            "die Bias-Korrektur von {who} ist in jedem Schritt 1 - β statt 1 - βᵗ",
        ),
        "correction-late": (
            "the bias correction of {who} counts from 2: 1 - βᵗ⁺¹ in place of 1 - βᵗ",
            "die Bias-Korrektur von {who} zählt ab 2: 1 - βᵗ⁺¹ statt 1 - βᵗ",
        ),
        "correction-early": (
            "the bias correction of {who} counts from 0: at first 1 - βᵗ is 0",
            "die Bias-Korrektur von {who} zählt ab 0: Zuerst ist 1 - βᵗ gleich 0",
        ),
        "correction-counted": (
            "{who} counts a step for each parameter in place of one for all, so that the bias "
            "correction 1 - βᵗ ends too early",
            "{who} zählt für jeden Parameter einen Schritt statt einen für alle, sodass die "
            "Bias-Korrektur 1 - βᵗ zu früh endet",
        ),
        "one-beta": (
            "{who} corrects both moments by the same beta; each needs its own",
            "{who} korrigiert beide Momente mit demselben Beta; jedes braucht sein eigenes",
        ),
        "state-lost": (
            "{who} loses both moments: each step uses the present gradient alone",
            "{who} verliert beide Momente: Jeder Schritt nutzt nur den aktuellen Gradienten",
        ),
        "correction-linear": (
            "the bias correction of {who} is 1 - β t in place of 1 - βᵗ",
            "die Bias-Korrektur von {who} ist 1 - β t statt 1 - βᵗ",
        ),
        "unsigned": (
            "{who} moves weights alike for a gradient and its opposite: it uses its size only",
            "{who} bewegt Gewichte bei einem Gradienten und seinem Negativen gleich",
        ),
        "edited": (
            "the steps of {who} are not those of its rule; one change in this line makes them so",
            "die Schritte von {who} sind nicht die seiner Regel; eine Änderung hier macht sie dazu",
        ),
        "decay-sign": (
            "the weight decay of {who} has the wrong sign: without a gradient the weights grow, by "
            "{growth:.2g} in {steps} steps",
            "der Weight Decay von {who} hat das falsche Vorzeichen: Ohne Gradient wachsen die "
            "Gewichte, in {steps} Schritten um {growth:.2g}",
        ),
        "shared": (
            "the parameters of {who} share their state: the steps of one change when the gradient "
            "of another has its sign turned",
            "die Parameter von {who} teilen sich ihren Zustand: Die Schritte des einen ändern "
            "sich, wenn der Gradient eines anderen das Vorzeichen wechselt",
        ),
        "not-moved": (
            "{who} moves {moved} of {count} parameters only, though all have a gradient",
            "{who} bewegt nur {moved} von {count} Parametern, obwohl alle einen Gradienten haben",
        ),
    }

    def judge(self, evidence: OptimizerRun) -> Findings:
        """Compare its steps with those of the usual rules, and of the same with one mistake."""
        if not evidence.moves_weights:
            return
        key, values = broken_law(evidence) or (evidence.mistake(), {})
        if not key and (not evidence.rules or evidence.is_usual(evidence.plain)):
            return
        at, cure = repair(evidence)
        if not key and (at is None or len(cure) < len(at.code)):  # a variant, with more terms
            return
        beta1, beta2 = evidence.settings.beta1[0], evidence.settings.beta2[0]
        values |= {"who": evidence.type, "beta1": beta1, "beta2": beta2, "times": 1 / (1 - beta1)}
        if bound := evidence.bound_again(values.get("state", "")):
            at, cure = bound, ""
        yield self.finding(evidence, key or "edited", type="", at=at, cure=cure, **values)

    wrong = regression(
        net="""
class Adam(fl.optim.Optimizer):
    state_names = ("m", "v")

    def __init__(self, params, lr=0.01, beta1=0.9, beta2=0.999):
        super().__init__(params, {"lr": lr, "beta1": beta1, "beta2": beta2})

    def update(self, group, t, w, g, m, v):
        b1, b2 = group["beta1"], group["beta2"]
        m[...] = b1 * m + (1 - b1) * g
        v[...] = b2 * v + (1 - b2) * g
        m_hat, v_hat = m / (1 - b1**t), v / (1 - b2**t)
        w -= group["lr"] * m_hat / (np.sqrt(np.abs(v_hat)) + 1e-8)


net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
""",
        optimizer="Adam(net.parameters())",
    )
    right = wrong.replace("(1 - b2) * g\n", "(1 - b2) * g**2\n")


def repair(evidence: OptimizerRun) -> tuple[Place | None, str]:
    """Return the line whose small change makes the rule right, and the changed line."""

    def is_right() -> bool:
        changed = OptimizerRun(evidence.first)
        if evidence.rules and not evidence.is_usual(changed.run(pattern, 1)):
            return False  # in the first step already
        right = not evidence.rules or evidence.is_usual(changed.plain)
        return right and changed.moves_weights and broken_law(changed) is None

    source = evidence.rule
    return (
        (None, "")
        if source is None
        else source.repaired(
            is_right, SECONDS, scope=source.observed(lambda: evidence.run(pattern))
        )
    )
