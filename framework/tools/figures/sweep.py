"""Figures of a sweep: parallel coordinates, importance, slices, and progress."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.figures.canvas import page, panels, plain, tidy
from firstlight.tools.figures.style import BLUE, VERMILION

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Results: TypeAlias = Array | Sequence[float]
Settings: TypeAlias = Mapping[str, Sequence[Any]]

BEST = VERMILION
FEW_DECADES = 2  # a logarithmic axis of fewer has ticks at 2 and 5 as well


def parallel_coordinates(
    values: Results,
    parameters: Settings,
    *,
    metric: str = "value",
    mode: str = "min",
    log: Collection[str] = (),
) -> Figure:
    """Draw each trial as a line through its settings to its result.

    Parameters
    ----------
    values : array, shape (N,)
        Results. Trials that diverged, whose result is not finite, are drawn with the worst finite
        one, by dashes or crosses.
    parameters : dict of str to list of N
        Numbers are placed on a scale, other values at equal distances.
    metric : str
    mode : {"min", "max"}
        The lines of better trials are darker and above the others; the best is red.
    log : collection of str
        Names whose axis is logarithmic; the result's too, if ``metric`` is among them.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        There are no trials, none has a finite result, or a setting has not one value per trial.
    """
    values, diverged, order = _checked("parallel_coordinates", values, parameters, mode)
    from matplotlib import colormaps

    names = [*parameters, metric]
    scales = [_Scale(parameters[name], name in log) for name in parameters]
    scales.append(_Scale(values, metric in log, numbers=True))
    ranks = np.argsort(order)  # 0 is best
    places = np.stack([scale.spread(ranks) for scale in scales], axis=1)  # (N, axes)
    figure = page(max(5.0, 1.75 * len(names)), 4.2, f"{len(values)} trials")
    axes = figure.add_subplot()
    for index in order[::-1]:
        goodness = 1 - ranks[index] / max(1, len(values) - 1)  # 1 is best
        best = ranks[index] == 0
        axes.plot(
            range(len(names)),
            places[index],
            color=BEST if best else colormaps["Blues"](0.15 + 0.8 * goodness),
            linewidth=2.4 if best else 0.8 + 0.6 * goodness,
            linestyle="--" if diverged[index] else "-",
            zorder=3 if best else 1 + goodness,
        )
    box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8}
    for position, scale in enumerate(scales):
        axes.axvline(position, color="black", linewidth=0.8, zorder=2.5)
        for place, text in scale.ticks():
            look = {"fontsize": 8, "va": "center", "zorder": 4, "bbox": box}
            axes.text(position + 0.03, place, plain(text), **look)
    axes.set_xticks(range(len(names)), map(plain, names), fontsize=9)
    axes.set_yticks([])
    axes.set_xlim(-0.3, len(names) - 1 + 0.4)
    axes.set_ylim(-0.09, 1.09)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return figure


def importance_bars(shares: Mapping[str, float], *, metric: str = "the result") -> Figure:
    """Draw the importance of each setting, from `firstlight.tools.sweeps.importance`.

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
    heights = np.nan_to_num(np.array(list(shares.values()), dtype=float))
    figure = page(6.0, 0.9 + 0.36 * len(shares), f"Importance for {plain(metric)}")
    axes = figure.add_subplot()
    axes.barh(list(map(plain, shares)), heights, color=BLUE, height=0.65)
    for row, share in enumerate(shares.values()):
        text = "too few trials to tell" if np.isnan(share) else f"{share:.0%}"
        axes.text(heights[row] + 0.01, row, text, va="center", fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, max(0.3, float(heights.max()) * 1.15))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_xlabel("importance for being among the best tenth (PED-ANOVA)")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def slices(
    values: Results,
    parameters: Settings,
    *,
    metric: str = "value",
    mode: str = "min",
    log: Collection[str] = (),
    columns: int = 3,
) -> Figure:
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
    values, diverged, order = _checked("slices", values, parameters, mode)
    size = {"size": (3.1, 2.7), "margin": (0.4, 0.0)}
    figure, every = panels(len(parameters), columns, **size, sharey=True)
    colours = np.where(np.arange(len(values)) == order[0], BEST, BLUE)
    apart = np.arange(len(values)) * 7 % len(values)  # neighbours in time are not side by side
    for axes, (name, given) in zip(every, parameters.items(), strict=True):
        scale = _Scale(given, name in log)
        place = scale.spread(apart) if scale.names else np.asarray(given, dtype=float)
        for trials, marker in ((~diverged, "o"), (diverged, "x")):
            if trials.any():
                look = {"marker": marker, "s": 18, "linewidths": marker == "x", "alpha": 0.8}
                axes.scatter(place[trials], values[trials], c=colours[trials], **look)
        if scale.names:
            long = max(map(len, scale.names)) * len(scale.names) > 24
            turned = {"rotation": 30, "ha": "right"} if long else {}
            axes.set_xticks([at for at, _ in scale.ticks()], map(plain, scale.names), **turned)
            axes.set_xlim(-0.15, 1.15)
        elif name in log:
            axes.set_xscale("log")
        if metric in log:
            axes.set_yscale("log")
        axes.set_xlabel(plain(name))
        if axes.get_subplotspec().is_first_col():
            axes.set_ylabel(plain(metric))
        tidy(axes)
    return figure


def search_progress(
    values: Results, *, metric: str = "value", mode: str = "min", log: bool = False
) -> Figure:
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
    values, diverged, _ = _checked("search_progress", values, {}, mode)
    best = np.minimum.accumulate(values) if mode == "min" else np.maximum.accumulate(values)
    numbers = np.arange(1, len(values) + 1)
    figure = page(6.0, 3.2)
    axes = figure.add_subplot()
    for trials, marker, label in ((~diverged, "o", "a trial"), (diverged, "x", "diverged")):
        if trials.any():
            look = {"markersize": 4, "color": BLUE, "label": label}
            axes.plot(numbers[trials], values[trials], marker, **look)
    axes.step(numbers, best, where="post", color=BEST, label="the best so far")
    if log:
        axes.set_yscale("log")
    axes.set_xlabel("trial")
    axes.set_ylabel(plain(metric))
    tidy(axes)
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    return figure


class _Scale:
    """An axis from 0 to 1: the places of values on it, and its ticks.

    ``names`` are the distinct values if they are placed at equal distances, [] if on a scale.
    """

    def __init__(self, given: Sequence[Any] | Array, log: bool, numbers: bool = False) -> None:
        given = [value if _is_number(value) else _text(value) for value in given]
        distinct = sorted(set(given), key=lambda v: (isinstance(v, str), v))
        few = len(distinct) < min(6, len(given))  # a few numbers, and some of them several times
        self.names, self.log = [], log
        if numbers or log or (all(map(_is_number, given)) and not few):
            places = np.log10(given) if log else np.asarray(given, dtype=float)
            self.low, self.high = float(places.min()), float(places.max())
            width = self.high - self.low
            self.places = (places - self.low) / width if width else np.full(len(given), 0.5)
        else:
            self.names = [v if isinstance(v, str) else f"{v:g}" for v in distinct]
            self.places = self._place_of(np.array([distinct.index(value) for value in given]))

    def spread(self, order: Array) -> Array:
        """Return the places; trials of the same name lie side by side, by ``order``."""
        if not self.names:
            return self.places
        room = 0.5 / max(5, len(self.names))  # and as much is free between two names
        return self.places + room * (order / max(1, len(order) - 1) - 0.5)

    def ticks(self) -> list[tuple[float, str]]:
        """Return ``(place, text)`` of each tick: names, or both ends and round numbers."""
        if self.names:
            return [(self._place_of(i), name) for i, name in enumerate(self.names)]
        from matplotlib.ticker import MaxNLocator

        inner = MaxNLocator(5).tick_values(self.low, self.high)
        if self.log:
            first = (1, 2, 5) if self.high - self.low < FEW_DECADES else (1,)
            decades = np.arange(np.floor(self.low), np.floor(self.high) + 1)
            inner = [decade + np.log10(digit) for decade in decades for digit in first]
        width = self.high - self.low
        places = [(0.5, self.low)]
        if width:
            rounded = [((v - self.low) / width, v) for v in inner]
            inside = [(place, v) for place, v in rounded if 0.06 < place < 0.94]
            places = [(0.0, self.low), *inside, (1.0, self.high)]
        return [(place, f"{10**v if self.log else v:.3g}") for place, v in places]

    def _place_of(self, index: Any) -> Any:
        last = len(self.names) - 1
        return index / last if last else 0.5 + 0 * index


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _checked(
    who: str, values: Results, parameters: Settings, mode: str
) -> tuple[Array, Array, Array]:
    """Return the results, those not finite as the worst; which those are; the order, best first."""
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
    return values, diverged, np.lexsort((values if mode == "min" else -values, diverged))
