"""Step 5: one question, several runs, one table: the width of the hidden layer."""

import json

import images
import numpy as np

import firstlight as fl

data = images.load()
inputs = int(np.prod(data.input_shape))
print(f"{'hidden':>6}  {'test accuracy, mean ± std of 3 seeds':<36}  latest run")
for hidden in (8, 32, 128):
    accuracies = []
    for seed in range(3):
        fl.seed_everything(seed)
        net = fl.models.MLP(inputs, 10, hidden=(hidden,))
        trainer = fl.Trainer(max_epochs=10, callbacks=["lr_schedule"], name=f"width-{hidden}")
        trainer.config = {"hidden": hidden, "seed": seed}  # kept in the run's config.json
        trainer.fit(net, data)
        trainer.test(net, data, checkpoint="best")
        summary = json.loads((trainer.run.path / "summary.json").read_text())
        accuracies.append(summary["metrics"]["test_acc"])
    mean, std = np.mean(accuracies), np.std(accuracies, ddof=1)
    print(f"{hidden:>6}  {f'{mean:.4f} ± {std:.4f}':<36}  {trainer.run.shown}")
