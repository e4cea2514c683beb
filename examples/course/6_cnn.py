"""Step 6: a convolutional network, and a look at what it has learned."""

from pathlib import Path

import images

import firstlight as fl
from firstlight import figures

data = images.load()
small = data.name == "digits"
net = fl.models.CNN(data.input_shape, 10, channels=(16, 32), padding="same", norm="batch")
print(net.summary(next(iter(data.loader("test")))[0]))
trainer = fl.Trainer(max_epochs=20 if small else 3, callbacks=["lr_schedule"], name="course-cnn")
trainer.fit(net, data)
print(f"test accuracy {trainer.test(net, data, checkpoint='best')['test_acc']:.4f}")

folder = Path("course") / "cnn"
folder.mkdir(parents=True, exist_ok=True)
scores = trainer.predict(net, data)
for name, figure in figures.album(net, data.test, scores, data.classes):
    figures.save(figure, folder / f"{name}.png")
    print(folder / f"{name}.png")
