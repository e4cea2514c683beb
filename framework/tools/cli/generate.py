"""``firstlight generate``: what a run's language model writes."""

import sys

from firstlight.data import tokenizers
from firstlight.runs.run import TOKENIZER
from firstlight.support.generation import check_generates, prompt_tokens, write_text
from firstlight.support.printable import printable
from firstlight.tools.cli import past_run
from firstlight.tools.cli.errors import UsageError

DESCRIPTION = """\
Have a run's language model go on with a text.

  firstlight generate --prompt "To be," --temperature 0.8 --top_k 50"""


def run(words):
    """Generate and print; returns the exit code."""
    parser = past_run.parser("generate", DESCRIPTION, on_data=False)
    add = parser.add_argument
    add("--prompt", metavar="TEXT", help="what to go on with (default: a line break)")
    add("--max_new_tokens", metavar="N", type=int, default=200, help="how much to write (200)")
    text = "below 1 prefers what is likely (default: 0.8)"
    add("--temperature", metavar="T", type=float, default=0.8, help=text)
    text = "choose among the K likeliest tokens only"
    add("--top_k", metavar="K", type=int, help=text)
    text = "choose among the likeliest tokens that have probability P together"
    add("--top_p", metavar="P", type=float, help=text)
    add("--seed", metavar="N", type=int, default=0, help="of the choices (default: 0)")
    own, words = parser.parse_known_args(words)
    if own.max_new_tokens < 1:
        raise UsageError(f"--max_new_tokens: expected 1 or more, got {own.max_new_tokens}")
    folder = past_run.find(own.run, own.runs_dir)
    if not (folder / TOKENIZER).is_file():
        raise UsageError(f"run {folder} is not of text: it has no {TOKENIZER}")
    tokenizer = tokenizers.load(folder / TOKENIZER)
    model, trainer = past_run.rebuild_model(folder, words, vars(own), own.trust)
    try:
        check_generates(model)
        prompt_tokens(tokenizer, own.prompt)
    except (TypeError, ValueError) as error:
        raise UsageError(str(error)) from error
    with trainer.evaluating(model, past_run.checkpoint_path(folder, own.checkpoint), "predict"):
        text = write_text(
            model,
            tokenizer,
            own.prompt,
            max_new_tokens=own.max_new_tokens,
            temperature=own.temperature,
            top_k=own.top_k,
            top_p=own.top_p,
            seed=own.seed,
            device=trainer.device,
        )
    print(printable(text) if sys.stdout.isatty() else text)  # a file gets it as it is
    return 0
