"""Step 9: a report, a poster, its figures as vectors, and the line of a table."""

# %%
from pathlib import Path

import images
import numpy as np

import firstlight as fl
from firstlight import figures, report
from firstlight.runs import RunFolder

data = images.load()

# %% [markdown]
# ## Train, with every gradient checked first

# %%
small = data.name == "digits"
net = fl.models.CNN(data.input_shape, 10, channels=(16, 32), pool_every=2, dropout=0.25)
callbacks = ["lr_schedule", "check"]  # check compares every gradient with forward first
trainer = fl.Trainer(max_epochs=12 if small else 3, callbacks=callbacks, name="poster")
history = trainer.fit(net, data)
accuracy = trainer.test(net, data, checkpoint="best")["test_acc"]

# %% [markdown]
# ## Figures as vectors
#
# A PDF stays sharp at any size. Every function returns a matplotlib `Figure`, which you can change.

# %%
folder = Path("course") / "poster"
folder.mkdir(parents=True, exist_ok=True)
epochs = np.arange(1, trainer.epoch + 1)
losses = {"training": history["train_loss"], "validation": history["val_loss"]}
curves = figures.error_curves(epochs, losses, xlabel="epoch", ylabel="loss", log=True)
figures.save(curves, folder / "loss.pdf")

# %%
x, y = data.test[np.arange(len(data.test))]
guesses = trainer.predict(net, data).argmax(axis=1)
counts = figures.confusion_counts(y, guesses, len(data.classes))
figures.save(figures.confusion_matrix(counts, data.classes), folder / "confusion.pdf")

# %% [markdown]
# ## Report and poster
#
# The texts come from a Markdown file, everything else from the run's folder.

# %%
text = Path("course") / "poster.md"
text.write_text(f"""# Handwritten digits by a network of our own

Laboratory course *Neural networks from scratch*

## Question

How well does a small convolutional network read {data.name}?

## Method

Each layer has a backward written by hand. The loss of N images with classes $t_n$ is

$$L = -\\frac{{1}}{{N}} \\sum_n \\log p_{{n t_n}}$$

## Conclusion

It reads **{accuracy:.1%}** of images that it has never seen. All gradients were written by hand,
and checked.
""")
best = trainer.run.path / "checkpoints" / "best.safetensors"
content = report.gather(RunFolder(trainer.run.path), rebuilt=(net, data, trainer, best))
texts = report.read_sections(text)
report.write_report("course/report.html", content, texts=texts)
report.write_poster("course/poster.pdf", content, texts=texts)

# %% [markdown]
# ## The line of a table

# %%
parameters = sum(parameter.size for parameter in net.parameters())
print(f"| data | parameters | epochs | seconds | test accuracy |\n|{'---|' * 5}")
print(
    f"| {data.name} | {parameters:,} | {trainer.epoch} | {trainer.elapsed:.0f} | {accuracy:.4f} |"
)
