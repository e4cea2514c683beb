"""Exercise: gradient descent with momentum."""

from firstlight.tools.course.exercise import Exercise
from firstlight.tools.course.trials import update_rule

EXERCISE = Exercise(
    name="sgd",
    chapter=3,
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
)
