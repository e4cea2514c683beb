"""Exercise: Adam."""

from firstlight.tools.course.exercise import Exercise
from firstlight.tools.course.trials import update_rule

EXERCISE = Exercise(
    name="adam",
    chapter=3,
    lessons={"firstlight.optim.adam": ("Adam",)},
    blanks=("Adam.update",),
    trials=(
        update_rule("Adam", betas=(0.8, 0.95), eps=0.01),
        update_rule("Adam", betas=(0.6, 0.9), eps=0.5),
        update_rule("Adam", betas=(0.7, 0.9), eps=0.01, weight_decay=0.3),
    ),
)
