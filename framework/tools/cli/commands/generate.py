"""``firstlight generate``: sample text from a run's language model."""

import sys

from firstlight.data import tokenizers
from firstlight.runs.run import TOKENIZER
from firstlight.support.generation import check_generates, prompt_tokens, write_text
from firstlight.support.printable import printable
from firstlight.tools.cli import past_run
from firstlight.tools.cli.command import Args, Options, at_least_one, option
from firstlight.tools.cli.errors import UsageError, usage_errors


class Generate(past_run.RunCommand):
    """Continue a text with a run's language model.

    For example:
      firstlight generate --prompt "To be," --temperature 0.8 --top_k 50
    """

    options: Options = (
        option("--prompt TEXT", "text to continue (default: a line break)"),
        option("--max_new_tokens N", "number of tokens to write", 200, type=at_least_one),
        option("--temperature T", "values below 1 prefer likely tokens", 0.8),
        option("--top_k K", "sample only from the K likeliest tokens", type=int),
        option(
            "--top_p P", "sample only from the likeliest tokens of total probability P", type=float
        ),
        option("--seed N", "seed of the sampling", 0),
    )

    def run(self, args: Args) -> int:
        """Generate and print."""
        folder = past_run.find(args.run, args.runs_dir)
        if not (folder / TOKENIZER).is_file():
            raise UsageError(f"run {folder} is not of text: it has no {TOKENIZER}")
        tokenizer = tokenizers.load(folder / TOKENIZER)
        model, _, trainer = past_run.rebuild(
            folder, args.rest, trusted=args.trust, known=vars(args), with_data=False
        )
        with usage_errors(kinds=(TypeError, ValueError)):
            check_generates(model)
            prompt_tokens(tokenizer, args.prompt)
        path = past_run.checkpoint_path(folder, args.checkpoint)
        with trainer.evaluating(model, path, "predict"):
            text = write_text(
                model,
                tokenizer,
                args.prompt,
                max_new_tokens=args.max_new_tokens,
                temperature=args.temperature,
                top_k=args.top_k,
                top_p=args.top_p,
                seed=args.seed,
                device=trainer.device,
            )
        print(printable(text) if sys.stdout.isatty() else text)  # unchanged in a file
        return 0
