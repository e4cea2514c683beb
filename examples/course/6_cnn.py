"""Step 6: a convolutional network, and a look at what it has learned."""

# %%
from pathlib import Path

import images

import firstlight as fl
from firstlight import figures

data = images.load()
small = data.name == "digits"

# %% [markdown]
# ## The network
#
# Two convolutions, each with batch normalisation and ReLU; a max-pool; two linear layers.

# %%
net = fl.models.CNN(data.input_shape, 10, channels=(16, 32), pool_every=2, dropout=0.25)
print(net.summary(next(iter(data.loader("test")))[0]))

# %% [markdown]
# ## Train and test

# %%
trainer = fl.Trainer(max_epochs=20 if small else 3, callbacks=["lr_schedule"], name="course-cnn")
trainer.fit(net, data)
print(f"test accuracy {trainer.test(net, data, checkpoint='best')['test_acc']:.4f}")

# %% [markdown]
# ## What it has learned
#
# The album has the confusion matrix, the mistakes, the filters of the first layer, and what the
# network looks at.

# %%
folder = Path("course") / "cnn"
folder.mkdir(parents=True, exist_ok=True)
scores = trainer.predict(net, data)
album = dict(figures.album(net, data.test, scores, data.classes))
for name, figure in album.items():
    figures.save(figure, folder / f"{name}.png")
    print(folder / f"{name}.png")

# %% tags=["active-ipynb"]
# album["confusion_matrix"]

# %% tags=["active-ipynb"]
# album["mistakes"]

# %% tags=["active-ipynb"]
# album["filters"]

# %% [markdown]
# Saliency: where a pixel changes the score. Occlusion: where covering it costs confidence.

# %% tags=["active-ipynb"]
# album["saliency"]

# %% tags=["active-ipynb"]
# album["occlusion"]
