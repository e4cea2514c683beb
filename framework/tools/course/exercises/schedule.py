"""Exercise: learning-rate schedules."""

from firstlight.tools.course.exercise import Exercise, Output, mistake

STEP, WARMUP, COSINE = "step", "warmup", "cosine"
WARMUP_COSINE, BETWEEN = "warmup_cosine", "_cosine_between"


def learning_rates(code, name, steps, *arguments, **settings):
    """Return the learning rates of the first steps."""
    schedule = getattr(code, name)
    rates = [schedule(step, *arguments, **settings) for step in range(steps)]
    return numbers(rates)


def numbers(values):
    """Return values as floats, since NumPy's and Python's are equally right; None if one is."""
    return None if any(value is None for value in values) else [float(value) for value in values]


def staircase(code, draw):
    """Try a schedule of equal reductions."""
    size, gamma = draw.size("step_size", 2, 4), draw.rng.uniform(0.3, 0.8)
    rates = learning_rates(code, STEP, 10, draw.rng.uniform(1, 2), step_size=size, gamma=gamma)
    yield Output(STEP, "lr", rates)
    yield Output(STEP, "lr (gamma=0.1)", learning_rates(code, STEP, 10, 1.0, step_size=size))


def increase(code, draw):
    """Try a warm-up, and none."""
    lr, steps = draw.rng.uniform(1, 2), draw.size("warmup_steps", 3, 6)
    yield Output(WARMUP, "lr", learning_rates(code, WARMUP, 10, lr, warmup_steps=steps))
    rates = learning_rates(code, WARMUP, 3, lr, warmup_steps=0)
    yield Output(WARMUP, "lr (warmup_steps=0)", rates)


def half_wave(code, draw):
    """Try the way from one value to another."""
    start, end = draw.rng.uniform(1, 2), draw.rng.uniform(0.1, 0.5)
    shares = [0.0, 0.2, 0.5, 0.9, 1.0]
    values = [code._cosine_between(start, end, share) for share in shares]
    yield Output(BETWEEN, "value (share=0, 0.2, 0.5, 0.9, 1)", numbers(values))
    values = [code._cosine_between(end, start, share) for share in shares]
    yield Output(BETWEEN, "value (start < end)", numbers(values))


def decrease(code, draw):
    """Try a cosine to 0, and to another value, beyond its end."""
    lr, end = draw.rng.uniform(1, 2), draw.rng.uniform(0.1, 0.5)
    total = draw.size("total_steps", 5, 9)
    rates = learning_rates(code, COSINE, total + 1, lr, total_steps=total)
    yield Output(COSINE, "lr", rates)
    rates = learning_rates(code, COSINE, total + 1, lr, total_steps=total, eta_min=end)
    yield Output(COSINE, "lr (eta_min>0)", rates)
    rates = learning_rates(code, COSINE, total + 4, lr, total_steps=total, eta_min=end)
    yield Output(COSINE, "lr (step>total_steps)", rates)


def both(code, draw):
    """Try a warm-up with a cosine, beyond its end, and without a warm-up."""
    lr, end = draw.rng.uniform(1, 2), draw.rng.uniform(0.1, 0.5)
    warm, total = draw.size("warmup_steps", 3, 5), draw.size("total_steps", 9, 12)

    def rates(steps, **settings):
        return learning_rates(code, WARMUP_COSINE, steps, lr, eta_min=end, **settings)

    first = rates(warm, total_steps=total, warmup_steps=warm)
    yield Output(WARMUP_COSINE, "lr (step<warmup_steps)", first)
    whole = rates(total + 1, total_steps=total, warmup_steps=warm)
    yield Output(WARMUP_COSINE, "lr", whole)
    whole = rates(total + 4, total_steps=total, warmup_steps=warm)
    yield Output(WARMUP_COSINE, "lr (step>total_steps)", whole)
    whole = learning_rates(code, WARMUP_COSINE, total + 1, lr, total_steps=total)
    yield Output(WARMUP_COSINE, "lr (warmup_steps=0, eta_min=0)", whole)


GROWTH = "return lr * min(1, (step + 1) / (warmup_steps + 1))"
WAVE = "return end + (start - end) * (1 + math.cos(math.pi * share)) / 2"
SHARE = "share = (step - warmup_steps) / (total_steps - warmup_steps)"
FALL = "return _cosine_between(lr, eta_min, step / total_steps)"
EXERCISE = Exercise(
    name="schedule",
    chapter=8,
    title=(
        "Schedules: the learning rate as a function of the step.",
        "Schedules: die Lernrate als Funktion des Schritts.",
    ),
    task=(
        "Fill in step, warmup, _cosine_between, cosine and warmup_cosine. Each schedule returns "
        "the learning rate of a step, counted from 0. _cosine_between goes from start (share 0) to "
        "end (share 1) on half a cosine wave; cosine and warmup_cosine can call it. In "
        "warmup_cosine the cosine begins at step warmup_steps and ends at total_steps, which is "
        "larger than warmup_steps.",
        "Füllen Sie step, warmup, _cosine_between, cosine und warmup_cosine aus. Jeder Schedule "
        "gibt die Lernrate eines Schritts zurück, von 0 an gezählt. _cosine_between geht von start "
        "(share 0) zu end (share 1) auf einer halben Kosinuswelle; cosine und warmup_cosine können "
        "diese Funktion aufrufen. In warmup_cosine beginnt der Kosinus beim Schritt warmup_steps "
        "und endet bei total_steps, das größer als warmup_steps ist.",
    ),
    lessons={"firstlight.optim.schedules": (STEP, WARMUP, COSINE, WARMUP_COSINE)},
    blanks=(STEP, WARMUP, BETWEEN, COSINE, WARMUP_COSINE),
    trials=(staircase, increase, half_wave, decrease, both),
    mistakes=(
        mistake(
            "return lr * gamma ** (step // step_size)",
            "return lr * gamma ** (step / step_size)",
            (
                "the learning rate falls at every step",
                "die Lernrate fällt bei jedem Schritt",
            ),
            (
                "it is constant for step_size steps: divide with //, which rounds down",
                "sie ist für step_size Schritte konstant: Teilen Sie mit //, das abrundet",
            ),
        ),
        mistake(
            "return lr * gamma ** (step // step_size)",
            "return lr * gamma ** ((step + 1) // step_size)",
            (
                "each reduction comes one step early",
                "jede Verringerung kommt einen Schritt zu früh",
            ),
            (
                "steps count from 0, so the first reduction is at step step_size",
                "Schritte zählen von 0 an, die erste Verringerung ist also bei Schritt step_size",
            ),
        ),
        mistake(
            "return lr * gamma ** (step // step_size)",
            "return lr * gamma * (step // step_size)",
            (
                "gamma is multiplied by the number of reductions",
                "gamma wird mit der Zahl der Verringerungen multipliziert",
            ),
            ("raise it to that power: gamma ** n", "nehmen Sie die Potenz: gamma ** n"),
        ),
        mistake(
            "return lr * gamma ** (step // step_size)",
            "return lr * gamma if step >= step_size else lr",
            (
                "the learning rate is reduced once only",
                "die Lernrate wird nur einmal verringert",
            ),
            (
                "it is reduced every step_size steps: gamma ** (step // step_size)",
                "sie wird alle step_size Schritte verringert: gamma ** (step // step_size)",
            ),
        ),
        mistake(
            GROWTH,
            "return lr * min(1, step / warmup_steps) if warmup_steps else lr",
            (
                "the first learning rate is 0: a step that changes nothing",
                "die erste Lernrate ist 0: ein Schritt, der nichts ändert",
            ),
            (
                "begin with (step + 1) / (warmup_steps + 1)",
                "beginnen Sie mit (step + 1) / (warmup_steps + 1)",
            ),
        ),
        mistake(
            GROWTH,
            "return lr * min(1, (step + 1) / max(warmup_steps, 1))",
            (
                "lr is reached one step early",
                "lr wird einen Schritt zu früh erreicht",
            ),
            (
                "lr is due at step warmup_steps: divide by warmup_steps + 1",
                "lr gilt ab Schritt warmup_steps: Teilen Sie durch warmup_steps + 1",
            ),
        ),
        mistake(
            GROWTH,
            "return lr * (step + 1) / (warmup_steps + 1)",
            (
                "the learning rate keeps growing after the warm-up",
                "die Lernrate wächst nach dem Aufwärmen weiter",
            ),
            ("limit the factor: min(1, …)", "begrenzen Sie den Faktor: min(1, …)"),
        ),
        mistake(
            WAVE,
            "return end + (start - end) * (1 + math.cos(math.pi * share))",
            (
                "the wave is twice too high: 1 + cos is 2 at the start",
                "die Welle ist doppelt so hoch: 1 + cos ist am Anfang 2",
            ),
            ("divide by 2", "teilen Sie durch 2"),
        ),
        mistake(
            WAVE,
            "return end + (start - end) * (1 + math.cos(share)) / 2",
            ("the factor π is missing in the cosine", "im Kosinus fehlt der Faktor π"),
            (
                "half a wave is the angle from 0 to π: cos(π share)",
                "eine halbe Welle ist der Winkel von 0 bis π: cos(π share)",
            ),
        ),
        mistake(
            WAVE,
            "return end + (start - end) * (1 + math.cos(2 * math.pi * share)) / 2",
            (
                "it is a whole wave, which returns to start",
                "es ist eine ganze Welle, die zu start zurückkehrt",
            ),
            ("take half a wave: cos(π share)", "nehmen Sie eine halbe Welle: cos(π share)"),
        ),
        mistake(
            WAVE,
            "return end + start * (1 + math.cos(math.pi * share)) / 2",
            (
                "the wave has the height start instead of start - end",
                "die Welle hat die Höhe start statt start - end",
            ),
            (
                "end + (start - end) · (1 + cos(π share)) / 2 begins at start",
                "end + (start - end) · (1 + cos(π share)) / 2 beginnt bei start",
            ),
        ),
        mistake(
            WAVE,
            "return end + (start - end) * (1 - math.cos(math.pi * share)) / 2",
            ("the wave goes from end to start", "die Welle geht von end zu start"),
            (
                "it begins at start, where cos is 1: 1 + cos(π share)",
                "sie beginnt bei start, wo der Kosinus 1 ist: 1 + cos(π share)",
            ),
        ),
        mistake(
            WAVE,
            "return end + (start - end) * math.cos(math.pi / 2 * share)",
            (
                "it is a quarter of a wave, which falls steeply at the end",
                "es ist eine Viertelwelle, die am Ende steil fällt",
            ),
            (
                "half a wave: (1 + cos(π share)) / 2",
                "die halbe Welle ist (1 + cos(π share)) / 2",
            ),
        ),
        mistake(
            FALL,
            "return _cosine_between(lr, 0.0, step / total_steps)",
            ("eta_min is not used", "eta_min wird nicht benutzt"),
            ("the cosine ends at eta_min", "der Kosinus endet bei eta_min"),
        ),
        mistake(
            FALL,
            "return max(eta_min, _cosine_between(lr, 0.0, step / total_steps))",
            (
                "the cosine goes to 0 and is cut off at eta_min",
                "der Kosinus geht bis 0 und wird bei eta_min abgeschnitten",
            ),
            (
                "let it end at eta_min: _cosine_between(lr, eta_min, …)",
                "lassen Sie ihn bei eta_min enden: _cosine_between(lr, eta_min, …)",
            ),
        ),
        mistake(
            FALL,
            "return _cosine_between(lr, eta_min, step / (total_steps - 1))",
            (
                "eta_min is reached one step early, at total_steps - 1",
                "eta_min wird einen Schritt zu früh erreicht, bei total_steps - 1",
            ),
            ("divide the step by total_steps", "teilen Sie den Schritt durch total_steps"),
        ),
        mistake(
            FALL,
            "return _cosine_between(lr, eta_min, min(1, step / total_steps))",
            (
                "the learning rate stays at eta_min beyond total_steps",
                "die Lernrate bleibt nach total_steps bei eta_min",
            ),
            (
                "cosine rises again there, as its docstring says; warmup_cosine stays",
                "cosine steigt dort wieder, wie der Docstring sagt; warmup_cosine bleibt",
            ),
        ),
        mistake(
            SHARE,
            "share = step / total_steps",
            (
                "the cosine begins at step 0 instead of after the warm-up",
                "der Kosinus beginnt bei Schritt 0 statt nach dem Aufwärmen",
            ),
            (
                "the share is (step - warmup_steps) / (total_steps - warmup_steps)",
                "der Anteil ist (step - warmup_steps) / (total_steps - warmup_steps)",
            ),
        ),
        mistake(
            SHARE,
            "share = (step - warmup_steps) / total_steps",
            (
                "the cosine takes total_steps after the warm-up, and does not reach its end",
                "der Kosinus dauert nach dem Aufwärmen total_steps und erreicht sein Ende nicht",
            ),
            ("divide by total_steps - warmup_steps", "teilen Sie durch total_steps - warmup_steps"),
        ),
        mistake(
            "if step >= total_steps:\n        return eta_min",
            "if False:\n        return eta_min",
            (
                "the learning rate rises again beyond total_steps",
                "die Lernrate steigt nach total_steps wieder",
            ),
            (
                "return eta_min from step total_steps on",
                "geben Sie ab Schritt total_steps eta_min zurück",
            ),
        ),
        mistake(
            "if step < warmup_steps:\n        return warmup",
            "if False:\n        return warmup",
            ("there is no warm-up", "es gibt kein Aufwärmen"),
            (
                "while step < warmup_steps, return warmup(...)",
                "geben Sie, solange step < warmup_steps ist, warmup(...) zurück",
            ),
        ),
    ),
)
