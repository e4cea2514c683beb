"""Step 3: the same network of arrays: Module, layers, Trainer, and its pictures."""

# %%
from pathlib import Path

import images

import firstlight as fl
from firstlight import figures, nn, optim

# %% [markdown]
# ## The network
#
# `forward` calls the layers, and `backward` calls their `backward` in reverse order.


# %%
class Net(fl.Module):
    def __init__(self, inputs, hidden=256):
        self.flatten = nn.Flatten()
        self.hidden = nn.Linear(inputs, hidden, needs_dx=False)
        self.relu = nn.ReLU()
        self.head = nn.Linear(hidden, 10)
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):  # x (N, H, W, 1)
        h = self.relu(self.hidden(self.flatten(x)))  # (N, hidden)
        return self.head(h)  # (N, 10)

    def backward(self, dy):  # dy (N, 10)
        dh = self.head.backward(dy)  # (N, hidden)
        dx = self.hidden.backward(self.relu.backward(dh))  # None: nobody needs the pixels' gradient
        return self.flatten.backward(dx)

    def configure_optimizer(self):
        return optim.Adam(self.parameters(), lr=1e-3)


# %% [markdown]
# ## Data and model

# %%
data = images.load()
height, width, channels = data.input_shape
net = Net(height * width * channels)

# %% [markdown]
# ## Train and test
#
# The Trainer runs the loop of step 2, and keeps the weights of the best epoch.

# %%
trainer = fl.Trainer(max_epochs=20 if data.name == "digits" else 5, name="course-mlp")
history = trainer.fit(net, data)
print(f"test accuracy {trainer.test(net, data, checkpoint='best')['test_acc']:.4f}")

# %%
Path("course").mkdir(exist_ok=True)
figures.save(history.plot(), "course/mlp_curves.png")

# %% [markdown]
# ## What the first layer looks for
#
# The weights of each hidden unit are a picture: bright pixels raise its output, dark ones lower it.

# %%
weights = figures.first_weights(net, data.input_shape)
figures.save(figures.filters(weights[:32]), "course/mlp_filters.png")
