"""Step 7: a Transformer learns to add: a language model whose sentences are sums."""

# %%
from pathlib import Path

import firstlight as fl
from firstlight import figures

# %% [markdown]
# ## Data and model
#
# Each digit is a token. The answer is written from its last digit on.

# %%
sums = fl.datasets.load("arithmetic")
model = fl.models.GPT(
    sums.tokenizer.vocab_size, block_size=sums.input_shape[0], n_layer=2, n_embd=64, lr=3e-3
)

# %% [markdown]
# ## Train and test
#
# `val_exact` is the share of sums that are right in every digit.

# %%
trainer = fl.Trainer(max_epochs=6, callbacks=["lr_schedule"], name="course-gpt")
trainer.fit(model, sums)
print(trainer.test(model, sums, checkpoint="best"))

# %% [markdown]
# ## Write an answer
#
# Token by token, always the most likely one: 57 + 68 = 125.

# %%
tokens = sums.tokenizer.encode("57+68=")[None]  # (1, T)
line = sums.tokenizer.decode(model.generate(tokens, 3, temperature=0)[0])
print(line)

# %% [markdown]
# ## What it looks at
#
# Row i, column j: how much position i takes from position j. The mask hides the future.

# %%
pictures = Path("course")
pictures.mkdir(exist_ok=True)
read = line[:-1]  # the last token is only written
weights = figures.attention_weights(model, sums.tokenizer.encode(read)[None])
first, second = (of_block[0] for of_block in weights.values())  # (H, T, T) each
figure = figures.attention_maps(first, read, title="Attention in block 1")
figures.save(figure, pictures / "attention_1.png")

# %%
figure = figures.attention_maps(second, read, title="Attention in block 2")
figures.save(figure, pictures / "attention_2.png")
