"""MLP on a table: how heavy is a penguin? Real data with words, dates and gaps."""

import re
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import firstlight as fl
from firstlight import figures, nn, optim

TABLE = Path(__file__).with_name("table.csv")
TARGET = "body_mass_g"


def load():
    """Return the table's features, encoded by the training rows; y (N, 1) in grams."""
    settings = {"target": TARGET, "regression": True, "val_size": 0.2, "test_size": 0.2}
    return fl.datasets.csv(TABLE, **settings)


# --- the network ----------------------------------------------------------------------------------


class Block(fl.Module):
    """h + W₂ ReLU(W₁ LayerNorm(h)): a residual block."""

    def __init__(self, width):
        self.norm, self.first = nn.LayerNorm(width), nn.Linear(width, width)
        self.relu, self.second = nn.ReLU(), nn.Linear(width, width)

    def forward(self, h):  # (N, width)
        return h + self.second(self.relu(self.first(self.norm(h))))

    def backward(self, dy):
        da = self.relu.backward(self.second.backward(dy))
        return dy + self.norm.backward(self.first.backward(da))


class Net(fl.Module):
    """Predict a number with a mean and a standard deviation that are known from training rows."""

    def __init__(self, features, mean, std, width=64):
        self.inlet = nn.Linear(features, width, needs_dx=False)
        self.blocks = [Block(width) for _ in range(2)]
        self.outlet = nn.Linear(width, 1)
        self.loss, self.mean, self.std = nn.MSELoss(), mean, std

    def forward(self, x):  # (N, features) -> (N, 1) in the target's unit
        h = self.inlet(x)
        for block in self.blocks:
            h = block(h)
        return self.mean + self.std * self.outlet(h)

    def backward(self, dy):
        dh = self.outlet.backward(self.std * dy)
        for block in reversed(self.blocks):
            dh = block.backward(dh)
        return self.inlet.backward(dh)

    def validation_step(self, batch):
        x, y = batch
        found = self(x)
        loss = self.loss(found / self.std, y / self.std)  # in units of the standard deviation
        return fl.StepOutput(loss, prediction=found)

    def training_step(self, batch):
        output = self.validation_step(batch)
        output.dy = self.loss.backward() / self.std
        return output

    def configure_optimizer(self):
        return optim.AdamW(self.parameters(), lr=1e-3, weight_decay=1.0)


# --- which columns matter? ------------------------------------------------------------------------


def rmse(predict, x, y):
    """Return the root mean squared error, in grams."""
    return float(np.sqrt(np.mean((predict(x) - y) ** 2)))


def least_squares(data):
    """Return the linear model with the smallest squared error on the training rows."""
    x, y = data.train[:]
    weight = np.linalg.lstsq(np.c_[x, np.ones(len(x))], y)[0]
    return lambda x: x @ weight[:-1] + weight[-1]


def importance(predict, data, repeats=50):
    """Return how much the test error grows, in grams, if the cells of a column are shuffled."""
    x, y = data.test[:]
    rng, grown = np.random.default_rng(0), {}
    owners = [re.split("[.=]", feature)[0] for feature in data.info["features"]]
    for column in data.info["columns"]:
        own, errors = np.array(owners) == column, []
        for _ in range(repeats):
            shuffled = np.where(own, rng.permutation(x), x)  # all features of the column at once
            errors.append(rmse(predict, shuffled, y))
        grown[column] = np.mean(errors) - rmse(predict, x, y)
    return dict(sorted(grown.items(), key=lambda item: item[1]))


def drawn(grown, target, found):
    """Draw predictions beside the importance of the columns."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(target, target, color="0.6", linewidth=0.8)
    left.plot(target, found, "o", markersize=4, alpha=0.6)
    left.set(xlabel="body mass in g", ylabel="prediction in g")
    right.barh(list(grown), list(grown.values()))
    right.set(xlabel="further error in g if shuffled")
    return figure


def main(words=None):
    args = fl.starters.arguments(__doc__, words, epochs=30, width=64)
    data = load()
    y = data.train[:][1]
    net = Net(*data.input_shape, float(y.mean()), float(y.std()), args.width)
    trainer = fl.Trainer(name="table", callbacks=["lr_schedule"], metrics=["rmse"], **args.trainer)
    trainer.fit(net, data, resume=args.resume)
    print(f"test rmse {trainer.test(net, data)['test_rmse']:.1f} g")
    print(f"least squares {rmse(least_squares(data), *data.test[:]):.1f} g")
    if trainer.run is None:  # `firstlight check` keeps none
        return

    net.to(device="cpu").eval()
    x, y = data.test[:]
    picture = drawn(importance(net, data), y, net(x))
    figures.save(picture, trainer.run.path / "plots" / "columns.png")


if __name__ == "__main__":
    main()
