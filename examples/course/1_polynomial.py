"""Step 1: fit polynomials to ten points, too stiff and too free, and cure it in three ways."""

# %%
from pathlib import Path

import numpy as np

import firstlight as fl
from firstlight import figures
from firstlight.datasets.prml import T, X
from firstlight.models import Polynomial, curve_fitting
from firstlight.models.least_squares import least_squares, powers

pictures = Path("course")
pictures.mkdir(exist_ok=True)
grid = np.linspace(0, 1, 100)
truth, data, unseen = np.sin(2 * np.pi * grid), (X, T), (grid, np.sin(2 * np.pi * grid))


def draw(name, figure):
    return figures.save(figure, pictures / f"{name}.png")


# %% [markdown]
# ## Degrees: from too stiff to too free
#
# Degrees 0 and 1 miss the sine, 3 follows it, and 9 passes through every point, noise included.

# %%
sweep = curve_fitting.degree_sweep(data, unseen)
shown = [0, 1, 3, 9]
titles = [f"M = {m}" for m in shown]
curves = [powers(grid, m) @ sweep.weights[m] for m in shown]
draw("fits", figures.fitted_curves(X, T, grid, curves, titles, truth=truth))

# %%
errors = {"training": sweep.train, "validation": sweep.val}
best = sweep.values[sweep.best]
draw("degrees", figures.error_curves(sweep.values, errors, xlabel="degree M", best=best))

# %%
draw("coefficients", figures.coefficients([sweep.weights[m] for m in shown], titles))

# %% [markdown]
# ## First cure: a penalty on large weights
#
# Degree 9 again. As λ grows, the curve becomes smoother, and then too smooth.

# %%
ridges = curve_fitting.ridge_sweep(data, unseen, np.arange(-38, 1))
errors, best = {"training": ridges.train, "validation": ridges.val}, ridges.values[ridges.best]
draw("ridge", figures.error_curves(ridges.values, errors, xlabel="ln λ (M = 9)", best=best))

# %%
picked = [0, ridges.best, len(ridges.values) - 1]
curves = [powers(grid, 9) @ ridges.weights[i] for i in picked]
titles = [f"ln λ = {ridges.values[i]:.0f}" for i in picked]
draw("ridge_fits", figures.fitted_curves(X, T, grid, curves, titles, truth=truth))

# %% [markdown]
# ## Second cure: more data
#
# Degree 9 without a penalty: with enough points, the two errors meet.

# %%
more = fl.datasets.load("polynomial", n_train=200).train.arrays
rng, sizes = np.random.default_rng(0), [10, 12, 15, 20, 30, 50, 100, 200]
train, val = curve_fitting.learning_curve(more, unseen, sizes, degree=9, rng=rng)
errors = {"training": train, "validation": val}
draw("more_data", figures.error_curves(sizes, errors, xlabel="points (M = 9)"))

# %% [markdown]
# ## Why: bias and variance
#
# Fit again and again to new noise. The mean of the fits shows the bias, their spread the variance.

# %%
many, degrees = [], range(9)
for degree in degrees:
    rng, sine = np.random.default_rng(0), lambda x: np.sin(2 * np.pi * x)
    many.append(curve_fitting.bias_variance(sine, X, grid, degree=degree, rng=rng))
titles = [f"M = {m}" for m in (1, 3, 8)]
scatter = [many[m].predictions for m in (1, 3, 8)]
draw("scatter", figures.spread(grid, scatter, titles, truth=truth))

# %%
parts = {"bias²": [one.bias2 for one in many], "variance": [one.variance for one in many]}
parts["sum"] = np.add(*parts.values())
draw("bias_variance", figures.error_curves(degrees, parts, xlabel="degree M", ylabel="", log=True))

# %% [markdown]
# ## The same minimum, step by step
#
# Gradient descent through a `Module` and the `Trainer` arrives at the closed form.

# %%
model = Polynomial(3)
quiet = {"default_callbacks": False, "runs_dir": None}  # 2,000 epochs of one step each
trainer = fl.Trainer(max_epochs=2000, callbacks=["lr_schedule"], **quiet)
trainer.fit(model, fl.datasets.load("prml"))
print("closed form     ", least_squares(powers(X, 3), T).round(2))
print("gradient descent", model.coefficients().round(2))
