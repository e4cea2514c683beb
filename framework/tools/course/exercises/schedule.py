"""Exercise: learning-rate schedules."""

from firstlight.tools.course.exercise import Exercise, Output

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


EXERCISE = Exercise(
    name="schedule",
    chapter=8,
    lessons={"firstlight.optim.schedules": (STEP, WARMUP, COSINE, WARMUP_COSINE)},
    blanks=(STEP, WARMUP, BETWEEN, COSINE, WARMUP_COSINE),
    trials=(staircase, increase, half_wave, decrease, both),
)
