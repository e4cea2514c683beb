"""Train on handwritten digits and draw what happened: curves, and digits it got wrong."""

import matplotlib as mpl

mpl.use("Agg")  # draw into a file, no window needed
import matplotlib.pyplot as plt
import numpy as np

import firstlight as fl

digits = fl.datasets.load("digits")
model = fl.models.MLP(64, 10, hidden=(128,))
trainer = fl.Trainer(max_epochs=30, name="digits-picture")
history = trainer.fit(model, digits)
print(trainer.test(model, digits, checkpoint="best"))

figure = plt.figure(figsize=(11, 3.4), layout="constrained")
curves, pictures = figure.subfigures(1, 2, width_ratios=(2, 1))
epochs = range(1, trainer.epoch + 1)
panels = curves.subplots(1, 2)
for panel, name, title in zip(panels, ("loss", "acc"), ("loss", "accuracy"), strict=True):
    panel.plot(epochs, history[f"train_{name}"], label="training", color="#0072B2")
    panel.plot(epochs, history[f"val_{name}"], label="validation", color="#D55E00")
    panel.set(xlabel="epoch", title=title)
    panel.grid(alpha=0.3)
    panel.legend()

images, labels = digits.test[np.arange(len(digits.test))]
scores = trainer.predict(model, digits)
wrong = np.flatnonzero(scores.argmax(axis=1) != labels)[:6]
pictures.suptitle(f"{np.sum(scores.argmax(1) != labels)} of {len(images)} test digits wrong, e.g.")
for panel, index in zip(pictures.subplots(2, 3).flat, wrong, strict=False):
    panel.imshow(images[index].squeeze(), cmap="gray_r")
    panel.set_title(f"{labels[index]} read as {scores[index].argmax()}", fontsize=10)
for panel in pictures.axes:
    panel.axis("off")
figure.savefig("training.png", dpi=110)
