"""``firstlight export``: a run's model as an ONNX file, for other programs."""

from pathlib import Path

from firstlight.checkpoints.snapshot import read_weights
from firstlight.data.preprocessing import Preprocessing
from firstlight.data.splits import SPLITS
from firstlight.runs import RunFolder
from firstlight.runs.run import TOKENIZER
from firstlight.support.extras import require
from firstlight.support.files import from_here
from firstlight.tools.cli.command import Args, Options, option
from firstlight.tools.cli.errors import UsageError
from firstlight.tools.cli.past_run import RunCommand, RunDataCommand
from firstlight.tools.cli.text import tell

SAMPLES = 8  # of the run's data, as examples of the input


class Export(RunDataCommand):
    """Write a run's model as an ONNX file, after it has been run and compared with NumPy's output.

    For example:
      firstlight export mlp-digits --onnx digits.onnx
    """

    epilog = RunCommand.epilog
    options: Options = (
        option("--onnx FILE", "the file (default: model.onnx in the run's folder)", nargs="?"),
    )

    def run(self, args: Args) -> int:
        """Rebuild the model with its weights, and write it."""
        require("firstlight export", "onnx", extra="onnx")
        from firstlight.tools.onnx import to_onnx

        if args.onnx is not None and not args.onnx.endswith(".onnx"):
            raise UsageError(f"--onnx: expected a name that ends in .onnx, got {args.onnx!r}")
        folder, model, splits, _, path = self.rebuild(args)
        model.load_state_dict(read_weights(path, None).model)
        model._preprocessing = Preprocessing.of_run(folder)
        split = next(name for name in reversed(SPLITS) if getattr(splits, name) is not None)
        x = next(iter(splits.loader(split, training=False)))[0]
        if isinstance(x, (dict, tuple)):
            raise UsageError(
                f"expected a model whose forward takes an array, got {type(model).__name__}, which "
                f"takes a {type(x).__name__} of {len(x)}; give forward an argument for each, and "
                "call model.to_onnx(path, (a, b)) in Python"
            )
        file = Path(args.onnx or folder / "model.onnx")
        metadata = {"run": RunFolder(folder).label}
        if (folder / TOKENIZER).is_file():
            metadata["tokenizer"] = (folder / TOKENIZER).read_text(encoding="utf-8")
        done = to_onnx(model, file, x[:SAMPLES], metadata=metadata)
        for name, shape in (done.inputs | done.outputs).items():
            tell(f"{name}  ({', '.join(map(str, shape))})")
        tell(f"{done.nodes} nodes; {done.runtime} differs from NumPy by {done.error:.1e} at most")
        tell(from_here(file))
        return 0
