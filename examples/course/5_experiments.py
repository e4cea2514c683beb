"""Step 5: one question, several runs, one table: the width of the hidden layer."""

# %%
import images
import numpy as np

import firstlight as fl

data = images.load()
inputs = int(np.prod(data.input_shape))

# %% [markdown]
# ## Three widths, three seeds each
#
# A difference between two widths counts only if it exceeds the spread between the seeds.

# %%
print("hidden  parameters  validation accuracy  test accuracy    (mean ± std of 3 seeds)")
for hidden in (8, 32, 128):
    accuracies = []
    for seed in range(3):
        fl.seed_everything(seed)
        net = fl.models.MLP(inputs, 10, hidden=(hidden,))
        trainer = fl.Trainer(
            max_epochs=10,
            callbacks=["lr_schedule", "model_checkpoint", "tensorboard"],
            default_callbacks=False,  # no progress bar: what is printed is the table
            name=f"width-{hidden}",
        )
        trainer.config = {"hidden": hidden, "seed": seed}  # kept in the run's config.json
        trainer.fit(net, data)
        val = trainer.validate(net, data, checkpoint="best")["val_acc"]
        test = trainer.test(net, data, checkpoint="best")["test_acc"]
        accuracies.append((val, test))
    count = sum(parameter.data.size for parameter in net.parameters())
    columns = zip(np.mean(accuracies, axis=0), np.std(accuracies, axis=0, ddof=1), strict=True)
    val, test = (f"{mean:.4f} ± {std:.4f}" for mean, std in columns)
    print(f"{hidden:>6}  {count:>10,}  {val:<19}  {test}")

# %% [markdown]
# ## Every run is kept
#
# The folder `runs/` has them all; `firstlight runs list` prints this table.

# %% tags=["active-ipynb"]
# fl.runs.list_runs("runs")
