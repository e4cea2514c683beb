"""Figures of a sweep: parallel coordinates, importance, slices, and progress."""

import numpy as np

from firstlight.tools.figures.canvas import page, plain

BEST = "crimson"
FEW_DECADES = 2  # below, 2 and 5 stand at a logarithmic axis too


def parallel_coordinates(values, parameters, *, metric="value", mode="min", log=()):
    """Draw each trial as a line through its settings to its result.

    Parameters
    ----------
    values : array, shape (N,)
        Results. Those that are not finite, of trials that diverged, are drawn as the worst of the
        finite ones, by dashes or crosses.
    parameters : dict of str to list of N
        Numbers have a scale, all else a place for each value.
    metric : str
    mode : {"min", "max"}
        The lines of better trials are darker, and drawn over the others; the best is red.
    log : collection of str
        Names whose axis is logarithmic; the result's too, if ``metric`` is among them.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        No trials, none with a finite result, or not one value of each setting for each.
    """
    values, diverged = _checked("parallel_coordinates", values, parameters, mode)
    from matplotlib import colormaps

    names = [*parameters, metric]
    scales = [_Scale(parameters[name], name in log) for name in parameters]
    scales.append(_Scale(values, metric in log, numbers=True))
    order = np.lexsort((values if mode == "min" else -values, diverged))
    ranks = np.argsort(order)  # 0 is best
    places = np.stack([scale.spread(ranks) for scale in scales], axis=1)  # (N, axes)
    figure = page(max(5.0, 1.75 * len(names)), 4.2, f"{len(values)} trials")
    axes = figure.add_subplot()
    x = np.arange(len(names))
    for index in np.argsort(-ranks):
        share = 1 - ranks[index] / max(1, len(values) - 1)  # 1 is best
        best = ranks[index] == 0
        axes.plot(
            x,
            places[index],
            color=BEST if best else colormaps["Blues"](0.15 + 0.8 * share),
            linewidth=2.4 if best else 0.8 + 0.6 * share,
            linestyle="--" if diverged[index] else "-",
            zorder=3 if best else 1 + share,
        )
    for position, scale in enumerate(scales):
        axes.axvline(position, color="black", linewidth=0.8, zorder=2.5)
        for place, text in scale.ticks():
            axes.text(
                position + 0.03,
                place,
                plain(text),
                fontsize=8,
                va="center",
                zorder=4,
                bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8},
            )
    axes.set_xticks(x, map(plain, names), fontsize=9)
    axes.set_yticks([])
    axes.set_xlim(-0.3, len(names) - 1 + 0.4)
    axes.set_ylim(-0.09, 1.09)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return figure


def importance_bars(shares, *, metric="the result"):
    """Draw how much each setting explains, from `firstlight.tools.sweeps.importance`.

    Parameters
    ----------
    shares : dict of str to float
        NaN is drawn as too few trials.
    metric : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    if not shares:
        raise ValueError("importance_bars: expected at least one setting, got none")
    names = list(shares)
    heights = np.nan_to_num(np.array([shares[name] for name in names], dtype=float))
    figure = page(6.0, 0.9 + 0.36 * len(names), f"What explains {plain(metric)}")
    axes = figure.add_subplot()
    axes.barh([plain(name) for name in names], heights, color="steelblue", height=0.65)
    for row, name in enumerate(names):
        missing = shares[name] != shares[name]
        text = "too few trials to tell" if missing else f"{shares[name]:.0%}"
        axes.text(heights[row] + 0.01, row, text, va="center", fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, max(0.3, float(heights.max()) * 1.15))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_xlabel("share of the differences in rank, by itself (ε²)")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def slices(values, parameters, *, metric="value", mode="min", log=(), columns=3):
    """Draw the result over each setting, a point for each trial, a red one for the best.

    Parameters
    ----------
    values, parameters, metric, mode, log
        See `parallel_coordinates`.
    columns : int

    Returns
    -------
    matplotlib.figure.Figure
    """
    values, diverged = _checked("slices", values, parameters, mode)
    rows, columns = -(-len(parameters) // columns), min(columns, len(parameters))
    figure = page(3.1 * columns + 0.4, 2.7 * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes in panels.flat[len(parameters) :]:
        axes.set_axis_off()
    best = int(np.lexsort((values if mode == "min" else -values, diverged))[0])
    colours = np.where(np.arange(len(values)) == best, BEST, "steelblue")
    order = np.arange(len(values)) * 7 % len(values)  # neighbours in time stand apart
    for axes, (name, given) in zip(panels.flat, parameters.items(), strict=False):
        scale = _Scale(given, name in log)
        place = scale.spread(order) if scale.names else np.asarray(given, dtype=float)
        for trials, marker in ((~diverged, "o"), (diverged, "x")):
            if trials.any():
                look = {"marker": marker, "s": 18, "linewidths": marker == "x", "alpha": 0.8}
                axes.scatter(place[trials], values[trials], c=colours[trials], **look)
        if scale.names:
            long = max(map(len, scale.names)) * len(scale.names) > 24
            ticks = [place for place, _ in scale.ticks()]
            turned = {"rotation": 30, "ha": "right"} if long else {}
            axes.set_xticks(ticks, map(plain, scale.names), **turned)
            axes.set_xlim(-0.15, 1.15)
        elif name in log:
            axes.set_xscale("log")
        if metric in log:
            axes.set_yscale("log")
        axes.set_xlabel(plain(name))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels[:, 0]:
        axes.set_ylabel(plain(metric))
    return figure


def search_progress(values, *, metric="value", mode="min", log=False):
    """Draw the result of each trial, and the best one up to it.

    Parameters
    ----------
    values : array, shape (N,)
        In the order of the trials.
    metric : str
    mode : {"min", "max"}
    log : bool

    Returns
    -------
    matplotlib.figure.Figure
    """
    values, diverged = _checked("search_progress", values, {}, mode)
    best = np.minimum.accumulate(values) if mode == "min" else np.maximum.accumulate(values)
    numbers = np.arange(1, len(values) + 1)
    figure = page(6.0, 3.2)
    axes = figure.add_subplot()
    for trials, marker, label in ((~diverged, "o", "a trial"), (diverged, "x", "diverged")):
        if trials.any():
            look = {"markersize": 4, "color": "steelblue", "label": label}
            axes.plot(numbers[trials], values[trials], marker, **look)
    axes.step(numbers, best, where="post", color=BEST, label="the best so far")
    if log:
        axes.set_yscale("log")
    axes.set_xlabel("trial")
    axes.set_ylabel(plain(metric))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    return figure


class _Scale:
    """Where values lie between 0 and 1, and what is written there."""

    def __init__(self, given, log, numbers=False):
        given = list(given)
        self.names, self.log = [], log
        if numbers or log or _measured(given):
            numbers = np.asarray(given, dtype=float)
            numbers = np.log10(numbers) if log else numbers
            self.low, self.high = float(numbers.min()), float(numbers.max())
            width = self.high - self.low
            self.places = (numbers - self.low) / width if width else np.full(len(given), 0.5)
            return
        distinct = sorted(set(map(_hashable, given)), key=lambda v: (isinstance(v, str), v))
        self.names = [v if isinstance(v, str) else f"{v:g}" for v in distinct]
        place = np.linspace(0, 1, len(distinct)) if len(distinct) > 1 else np.array([0.5])
        self.places = np.array([place[distinct.index(_hashable(value))] for value in given])

    def spread(self, order):
        """Return the places, and at one with a name side by side, by the order of the trials."""
        if not self.names:
            return self.places
        room = 0.5 / max(5, len(self.names))  # of which as much is left between two names
        return self.places + room * (order / max(1, len(order) - 1) - 0.5)

    def ticks(self):
        """Return ``(place, text)`` of what is written at the axis: its ends, and round numbers."""
        if self.names:
            count = len(self.names)
            return [(i / (count - 1) if count > 1 else 0.5, n) for i, n in enumerate(self.names)]
        from matplotlib.ticker import MaxNLocator

        inner = MaxNLocator(5).tick_values(self.low, self.high)
        if self.log:
            first = (1, 2, 5) if self.high - self.low < FEW_DECADES else (1,)
            decades = np.arange(np.floor(self.low), np.floor(self.high) + 1)
            inner = [decade + np.log10(digit) for decade in decades for digit in first]
        scale = self.high - self.low
        if not scale:
            return [(0.5, f"{10**self.low if self.log else self.low:.3g}")]
        places = [(v - self.low) / scale for v in inner]
        rounded = [(p, v) for p, v in zip(places, inner, strict=True) if 0.06 < p < 0.94]
        ticks = [(0.0, self.low), *rounded, (1.0, self.high)]
        return [(p, f"{10**v if self.log else v:.3g}") for p, v in ticks]


def _measured(given):
    """Return whether values are numbers on a scale: more than a few, or none of them twice."""
    numbers = all(isinstance(v, (int, float, np.number)) for v in given)
    if not numbers or any(isinstance(v, bool) for v in given):
        return False
    return len(set(given)) > 5 or len(set(given)) == len(given)


def _hashable(value):
    """Return a number as it is, lists and all else as text."""
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
        return value
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _checked(who, values, parameters, mode):
    """Return results, the worst finite one for those that are not, and which of them those are."""
    values = np.array(values, dtype=float)
    if values.ndim != 1 or not values.size:
        raise ValueError(f"{who}: expected results of shape (N,), N > 0, got {values.shape}")
    for name, given in parameters.items():
        if len(given) != len(values):
            raise ValueError(
                f"{who}: expected {len(values)} values of {name}, as many as results, got "
                f"{len(given)}"
            )
    diverged = ~np.isfinite(values)
    if diverged.all():
        raise ValueError(f"{who}: expected a finite result at least, got {values.tolist()}")
    values[diverged] = values[~diverged].max() if mode == "min" else values[~diverged].min()
    return values, diverged
