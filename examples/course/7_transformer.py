"""Step 7: a Transformer learns to add: a language model whose sentences are sums."""

# %%
import firstlight as fl

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

# %%
trainer = fl.Trainer(max_epochs=6, callbacks=["lr_schedule"], name="course-gpt")
trainer.fit(model, sums)
print(trainer.test(model, sums, checkpoint="best"))
