"""A step-through in the terminal."""

import io

from firstlight.tools.diagnose.show import escaped


def as_text(step):
    """Return a step-through as plain text, 100 columns wide."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=100, color_system=None)
    draw(step, console)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def draw(step, console):
    """Print a step-through on a rich console."""
    where = f" on {step.data}" if step.data else ""
    console.print(
        f"[bold]{escaped(step.model)}{escaped(where)}[/], one step of {step.batch}",
        highlight=False,
    )
    console.rule("forward")
    for part in step.parts:
        _part(console, part, part.formula, part.forward, "cyan")
    values = ", ".join(
        [f"loss {step.loss:.4g}", *(f"{k} {v:.4g}" for k, v in step.metrics.items())]
    )
    console.rule(values)
    console.rule("backward")
    for part in reversed(step.parts):
        _part(console, part, part.gradient, part.backward, "magenta")


def _part(console, part, words, figures, colour):
    from rich import box
    from rich.padding import Padding
    from rich.table import Table

    console.print(f"\n{'  ' * part.depth}[bold {colour}]{escaped(part.title)}[/]", highlight=False)
    indent = 2 * part.depth + 2
    if words:
        console.print(Padding(f"[dim]{escaped(words)}[/]", (0, 0, 0, indent)), highlight=False)
    plain = not (console.encoding or "utf-8").lower().startswith("utf")
    table = Table(box=box.ASCII if plain else box.SIMPLE_HEAD, pad_edge=False)
    for head in ("", "shape", "norm", "mean", "from", "to"):
        table.add_column(head, justify="left" if head in ("", "shape") else "right", no_wrap=True)
    for one in figures:
        numbers = (f"{value:.3g}" for value in (one.norm, one.mean, one.low, one.high))
        table.add_row(one.name, str(one.shape), *numbers)
    if figures:
        console.print(Padding(table, (0, 0, 0, indent)))
    for one in figures:
        if not one.corner.endswith("..."):
            text = (
                f"{one.name} =\n{one.corner}"
                if "\n" in one.corner
                else f"{one.name} = {one.corner}"
            )
            console.print(Padding(escaped(text), (0, 0, 0, indent)), highlight=False)
