"""``firstlight parity``: one training step on the CPU and on a GPU, layer by layer."""

import numpy as np

from firstlight import plugins, rng
from firstlight.cli.arguments import Arguments
from firstlight.cli.errors import Parser
from firstlight.cli.facts import facts_of
from firstlight.cli.fit import GENERAL, use_defaults
from firstlight.cli.names import Names
from firstlight.parity import check_parity

DESCRIPTION = """\
Run one training step of a model on the CPU and on a GPU, in float64 and float32, compare what
each layer computes, and name the first that differs. Arguments of model and data are those of fit.

  firstlight parity --model cnn --data mnist"""


def run(words):
    """Compare and tell; the exit code is 1 where the two differ."""
    models, data = (", ".join(plugins.registry(kind).names()) for kind in ("model", "dataset"))
    usage = "firstlight parity [--model NAME] [--data NAME] [--device cuda:N] [arguments]"
    parser = Parser("parity", DESCRIPTION, usage=usage, add_help=False)
    parser.add_argument("--model", metavar="NAME", help=f"{models}; or module:Class")
    parser.add_argument("--data", metavar="NAME", help=f"{data}; or module:function")
    parser.add_argument("--device", default="cuda", help="the GPU (default: cuda)")
    parser.add_argument("--all", action="store_true", help="show every array, not the first alone")
    parser.add_argument("-h", "--help", action="store_true", help="show this help, and stop")
    own, words = parser.parse_known_args(words)
    names = Names()
    for kind in ("model", "data"):
        if getattr(own, kind) is not None:
            names.choose(kind, getattr(own, kind))
    use_defaults(names, ())
    settings = Arguments(names, GENERAL)
    if own.help:
        print(parser.format_help(), end="")
        return 0
    settings.parse(words, known=vars(own))
    rng.seed_everything(settings.general["seed"])
    splits = settings.data.make_data()
    model = settings.model.make_model(facts_of(splits))
    batch = next(iter(splits.loader("train")))
    found = check_parity(model, tuple(np.asarray(part) for part in batch), device=own.device)
    if own.all:
        print(*found.differences, sep="\n")
    print(found)
    return 0 if found.first is None else 1
