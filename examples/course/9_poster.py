"""Step 9: the figures of a poster, as vectors, and the table beside them."""

from pathlib import Path

import images
import numpy as np

import firstlight as fl
from firstlight import figures

data = images.load()
small = data.name == "digits"
net = fl.models.CNN(data.input_shape, 10, channels=(16, 32), padding="same", norm="batch")
trainer = fl.Trainer(max_epochs=12 if small else 3, callbacks=["lr_schedule"], name="poster")
history = trainer.fit(net, data)
accuracy = trainer.test(net, data, checkpoint="best")["test_acc"]

folder = Path("course") / "poster"
folder.mkdir(parents=True, exist_ok=True)
epochs = np.arange(1, trainer.epoch + 1)
losses = {"training": history["train_loss"], "validation": history["val_loss"]}
curves = figures.error_curves(epochs, losses, xlabel="epoch", ylabel="loss", log=True)
figures.save(curves, folder / "loss.pdf")
x, y = data.test[np.arange(len(data.test))]
guesses = trainer.predict(net, data).argmax(axis=1)
counts = figures.confusion_counts(y, guesses, len(data.classes))
figures.save(figures.confusion_matrix(counts, data.classes), folder / "confusion.pdf")

parameters = sum(parameter.size for parameter in net.parameters())
print(f"| data | parameters | epochs | seconds | test accuracy |\n|{'---|' * 5}")
print(
    f"| {data.name} | {parameters:,} | {trainer.epoch} | {trainer.elapsed:.0f} | {accuracy:.4f} |"
)
