"""``firstlight demo``: a page with a run's network in it."""

from pathlib import Path

from firstlight.checkpoints.snapshot import read_weights
from firstlight.support.files import from_here
from firstlight.tools.cli.command import Args, Options, file_name, option
from firstlight.tools.cli.errors import usage_errors
from firstlight.tools.cli.past_run import RunDataCommand
from firstlight.tools.cli.text import tell


class Demo(RunDataCommand):
    """Write one HTML file in which a run's network runs in the browser, with no connection.

    Draw a digit, or drop an image, and see each layer's output; let a language model write, and see
    where it attends; drag the points of a curve; set the features of a table. With Node.js on this
    machine, JavaScript's results are compared with NumPy's before the file is written.
    """

    options: Options = (
        option(
            "-o, --output FILE",
            "file to write (default: demo.html in the run's folder)",
            type=file_name(".html"),
        ),
        option("--language", "language of the page", "en", choices=("en", "de")),
        option(
            "--weights",
            "format of the weights: auto is the most exact one for a page below 2 MB",
            "auto",
            choices=("auto", "float32", "float16", "int8"),
        ),
    )

    def run(self, args: Args) -> int:
        """Make the page, and print what was found."""
        from firstlight.tools.demo import make_demo

        folder, model, splits, _, path = self.rebuild(args)
        model.load_state_dict(read_weights(path, None).model)
        title = f"{folder.parent.name} – {splits.name}"
        options = {"language": args.language, "weights": args.weights, "title": title}
        with usage_errors(kinds=(ValueError,)):
            demo = make_demo(model, splits, **options)
        output = Path(args.output or folder / "demo.html")
        demo.write(output)
        tell(str(demo))
        tell(from_here(output))
        return 0
