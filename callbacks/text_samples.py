"""TextSamples: sample text from a language model during its training."""

import os
from pathlib import Path
from typing import Any

from firstlight.callback import Callback
from firstlight.callbacks.tensorboard.callback import writer_of
from firstlight.module import Module
from firstlight.support.arguments import parse_count
from firstlight.support.files import check_guards, forgiving, no_link
from firstlight.support.generation import check_generates, prompt_tokens, write_text
from firstlight.support.printable import printable, tell
from firstlight.trainer import Trainer

SAMPLES = "samples.txt"


class TextSamples(Callback):
    """Show the model's continuation of a prompt every n steps and at the end.

    The text goes to the screen, to ``samples.txt`` in the run folder, and to TensorBoard's texts
    if there is a `TensorBoard` callback. It is sampled with random numbers of its own, the same at
    each step, so the training is not affected.

    The model needs a method ``generate``, see `firstlight.support.generation.write_text`, and the
    data a tokenizer, such as that of `firstlight.datasets.text`.

    Parameters
    ----------
    prompt : str, optional
        The text to continue; a line break by default.
    every_n_steps : int
        Steps between two samples.
    max_new_tokens : int
        Tokens to write.
    temperature : float
        Below 1, likely tokens are preferred; above 1, the distribution is flatter.
    top_k : int, optional
        Sample only from this many of the likeliest tokens.
    top_p : float, optional
        Sample only from the likeliest tokens that together have this probability.
    seed : int
        Of the sampling.
    echo : bool
        Show the samples on the screen too.

    Raises
    ------
    TypeError
        The model writes no text, or the data have no tokenizer.
    ValueError
        Numbers that are not above 0; a prompt with characters that the tokenizer does not know.

    Examples
    --------
    >>> from firstlight.callbacks import TextSamples
    >>> samples = TextSamples("To be,", every_n_steps=1000, temperature=0.8)
    """

    rank_zero_only = True
    watcher = True

    def __init__(
        self,
        prompt: str | None = None,
        every_n_steps: int = 500,
        max_new_tokens: int = 200,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
        echo: bool = True,
    ) -> None:
        self.prompt = prompt
        self.every_n_steps: int = parse_count("TextSamples: every_n_steps", every_n_steps)
        self.echo = echo
        self.settings: dict[str, Any] = {
            "max_new_tokens": parse_count("TextSamples: max_new_tokens", max_new_tokens),
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "seed": seed,
        }
        self._size = self._last_step = 0

    def on_fit_start(self, trainer: Trainer, module: Module) -> None:
        """Check model and data; drop samples later than the checkpoint of a resumed training."""
        check_generates(module)
        if trainer.data.tokenizer is None:
            raise TypeError(
                "TextSamples: the data have no tokenizer; pass DataSplits(..., tokenizer=...), as "
                "firstlight.datasets.text makes them"
            )
        prompt_tokens(trainer.data.tokenizer, self.prompt)
        self._last_step = trainer.step
        if trainer.step == 0:
            self._size = 0
        path = self._path(trainer)
        if path is not None and path.exists() and path.stat().st_size > self._size:
            os.truncate(path, self._size)

    def on_train_batch_end(self, trainer: Trainer, module: Module) -> None:
        """Write a sample if one is due."""
        if trainer.step % self.every_n_steps == 0:
            self._sample(trainer, module)

    def on_fit_end(self, trainer: Trainer, module: Module) -> None:
        """Write a last sample, unless the training failed."""
        if trainer.status == "finished" and self._last_step != trainer.step:
            self._sample(trainer, module)

    def state_dict(self) -> dict[str, Any]:
        """Return how long ``samples.txt`` is."""
        return {"size": self._size}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""
        self._size = state["size"]

    def _sample(self, trainer: Trainer, module: Module) -> None:
        text = write_text(
            module, trainer.data.tokenizer, self.prompt, device=trainer.device, **self.settings
        )
        self._last_step = trainer.step
        if self.echo:
            tell(f"--- step {trainer.step}\n{printable(text)}\n---")
        path = self._path(trainer)
        if path is not None:
            with forgiving(path):
                check_guards(path)
                with open(path, "a", encoding="utf-8", opener=no_link) as file:
                    file.write(f"--- step {trainer.step}\n{text}\n")
                self._size = path.stat().st_size
        writer = writer_of(trainer)
        if writer is not None:
            writer.add_plain_text("samples", text, trainer.step)

    @staticmethod
    def _path(trainer: Trainer) -> Path | None:
        return None if trainer.run is None else trainer.run.path / SAMPLES
