"""Profile: what each layer and each other part of a training step costs, as a table."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from firstlight.tools.profile.recorder import OWN, Span

PARTS = {
    "data": "data (next batch)",
    "optimizer": "optimizer",
    "zero_grad": "zeroing gradients",
}
REST = "rest (metrics, loop)"
HEAD = (
    *("layer", "class", "forward ms", "backward ms", "ms", "share"),
    *("held MB", "peak MB", "GFLOP", "of product speed"),
)


@dataclass
class LayerCost:
    """Cost of one layer in one step.

    Attributes
    ----------
    name, type : str
        As in `Module.named_modules`, empty for the model itself; the class.
    calls : float
        Forwards in a step.
    forward_ms, backward_ms : float
        Without the layers within it.
    held_bytes : int
        Memory that forward allocated and left alive, such as its output and what it saved, without
        the layers within it. It is negative where a container frees its layers' outputs.
    peak_bytes : int
        The most that forward or backward had allocated at once.
    flops : int
        Operations of forward and backward.
    """

    name: str
    type: str
    calls: float = 0.0
    forward_ms: float = 0.0
    backward_ms: float = 0.0
    held_bytes: int = 0
    peak_bytes: int = 0
    flops: int = 0

    @property
    def ms(self) -> float:
        """Forward and backward together."""
        return self.forward_ms + self.backward_ms


@dataclass
class Profile:
    """Costs of a training step, by layer and part; printed as a table.

    Attributes
    ----------
    layers : list of LayerCost
        In the order in which they first ran.
    parts : dict of str to float
        Milliseconds of everything else: data, optimizer, zeroing, each callback, and the rest.
    step_ms : float
        The measured step: all layers and parts together.
    bare_ms : float
        A step without the profiler, measured in alternation with the measured ones.
    product_flops : float
        Operations per second of a matrix product on this machine; see `product_speed`.
    device : str
    steps : int
        Measured steps, of which the fastest quarter counts.
    notes : list of str
    """

    layers: list[LayerCost]
    parts: dict[str, float]
    step_ms: float
    bare_ms: float
    product_flops: float
    device: str
    steps: int
    notes: list[str] = field(default_factory=list)

    @property
    def sum_ms(self) -> float:
        """The sum of all layers and parts."""
        return sum(layer.ms for layer in self.layers) + sum(self.parts.values())

    def speed_share(self, layer: LayerCost) -> float:
        """Return a layer's operations per second, as a share of those of a matrix product."""
        return layer.flops / (layer.ms / 1e3) / self.product_flops if layer.ms else 0.0

    def rows(self) -> list[tuple[str, ...]]:
        """Return the cells of the table; the first row has the columns' names."""
        found = [HEAD]
        for layer in self.layers:
            found.append(
                (
                    layer.name or "(model)",
                    layer.type,
                    f"{layer.forward_ms:.3f}",
                    f"{layer.backward_ms:.3f}",
                    f"{layer.ms:.3f}",
                    f"{layer.ms / self.step_ms:.1%}",
                    _megabytes(layer.held_bytes),
                    _megabytes(layer.peak_bytes),
                    f"{layer.flops / 1e9:.4f}" if layer.flops else "",
                    f"{self.speed_share(layer):.1%}" if layer.flops else "",
                )
            )
        for name, ms in self.parts.items():
            found.append((name, *[""] * 3, f"{ms:.3f}", f"{ms / self.step_ms:.1%}", *[""] * 4))
        forward = sum(layer.forward_ms for layer in self.layers)
        backward = sum(layer.backward_ms for layer in self.layers)
        flops = sum(layer.flops for layer in self.layers)
        total = (f"{forward:.3f}", f"{backward:.3f}", f"{self.sum_ms:.3f}")
        speed = flops / (self.step_ms / 1e3) / self.product_flops
        memory = _megabytes(sum(layer.held_bytes for layer in self.layers)), ""
        return [
            *found,
            ("sum", "", *total, "100.0%", *memory, f"{flops / 1e9:.4f}", f"{speed:.1%}"),
        ]

    def closing(self) -> str:
        """Return the lines below the table."""
        difference = self.sum_ms / self.bare_ms - 1
        lines = [
            f"the parts sum to {self.sum_ms:.3f} ms; a step without the profiler takes "
            f"{self.bare_ms:.3f} ms ({difference:+.1%})",
            f"means of the fastest quarter of {self.steps} measured steps on {self.device}; a "
            f"large matrix product reaches {self.product_flops / 1e9:,.0f} GFLOP/s here",
        ]
        return "\n".join([*lines, *self.notes])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as a JSON-able dict."""
        layers = [
            {**asdict(layer), "product_speed_share": self.speed_share(layer)}
            for layer in self.layers
        ]
        return {**asdict(self), "layers": layers, "sum_ms": self.sum_ms}

    def __str__(self) -> str:
        cells = self.rows()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if index < 2 else cell.rjust(width)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in cells
        ]
        rule = "-" * max(map(len, lines))
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], "", self.closing()])


def profile_of(
    steps: Sequence[tuple[float, list[Span]]],
    bare: Iterable[float],
    memory: Iterable[Span],
    flops: Counter[str],
    types: dict[str, str],
    recording: tuple[float, float] = (0.0, 0.0),
    **facts: Any,
) -> Profile:
    """Return the `Profile` of recorded steps.

    Parameters
    ----------
    steps : list of (float, list of Span)
        Seconds and spans of each measured step.
    bare : iterable of float
        Seconds of steps without the profiler.
    memory : iterable of Span
        Of a step whose memory was measured.
    flops : Counter of str
        Operations by layer.
    types : dict of str to str
        The class of each layer, by name.
    recording : (float, float)
        Seconds that recording adds to a span and to the one around it; they are subtracted.
    facts
        Further attributes of the `Profile`.
    """
    without_own = [
        (seconds - seconds_in(OWN, spans) - len(spans) * sum(recording), spans)
        for seconds, spans in steps
    ]
    kept = fastest(without_own, key=lambda step: step[0])
    milliseconds, calls, total = Counter(), Counter(), 0.0
    for seconds, spans in kept:
        total += 1e3 * seconds / len(kept)
        for span, own in own_seconds(spans, recording):
            milliseconds[span.phase, span.name] += 1e3 * own / len(kept)
            calls[span.phase, span.name] += 1 / len(kept)
    milliseconds.pop((OWN, ""), None)
    layers = {}
    for phase, name in milliseconds:
        if phase in ("forward", "backward") and name not in layers:
            times = (milliseconds[p, name] for p in ("forward", "backward"))
            layers[name] = LayerCost(
                name, types[name], round(calls["forward", name], 3), *times, flops=flops[name]
            )
    _add_memory(layers, memory)
    parts = {title: milliseconds[phase, ""] for phase, title in PARTS.items()}
    parts |= {f"callback {n}": ms for (p, n), ms in milliseconds.items() if p == "callback"}
    parts[REST] = total - sum(layer.ms for layer in layers.values()) - sum(parts.values())
    quick = fastest(sorted(bare))
    bare_ms = 1e3 * sum(quick) / len(quick)
    return Profile([*layers.values()], parts, total, bare_ms, steps=len(steps), **facts)


def own_seconds(
    spans: Iterable[Span], recording: tuple[float, float] = (0.0, 0.0)
) -> list[tuple[Span, float]]:
    """Return each span with its seconds without the spans within it, and without recording."""
    spans, (inside, around) = list(spans), recording
    within: Counter[int] = Counter()
    for span in spans:
        if span.parent is not None:
            within[id(span.parent)] += span.end - span.start + around
    return [(s, max(0.0, s.end - s.start - inside - within[id(s)])) for s in spans]


def seconds_in(phase: str, spans: Iterable[Span]) -> float:
    """Return the seconds of the spans of a phase."""
    return sum(span.end - span.start for span in spans if span.phase == phase)


def fastest(values: Sequence[Any], key: Any = None) -> list[Any]:
    """Return the smallest quarter of some values, at least three: those that nothing delayed."""
    return sorted(values, key=key)[: max(3, -(-len(values) // 4))]


def _add_memory(layers, spans):
    spans = [span for span in spans if span.phase in ("forward", "backward")]
    for span in spans:
        layer = layers.get(span.name)
        if layer is None:
            continue
        layer.peak_bytes = max(layer.peak_bytes, span.peak)
        if span.phase == "forward":
            layer.held_bytes += span.held
            outer = layers.get(span.parent.name) if span.parent in spans else None
            if outer is not None:
                outer.held_bytes -= span.held


def _megabytes(count):
    return f"{count / 1e6:.2f}"
