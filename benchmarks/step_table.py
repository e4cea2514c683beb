"""The figures of a measurement by `step.py`: rows, the floor, the best of each library."""

import statistics

LIBRARIES = {"torch": "PyTorch", "lightning": "Lightning", "jax": "JAX"}  # by a peer's first word
OURS = ("ours", "ours-fast", "trainer", "trainer-fast", "trainer-bare")


def rows(workers):
    """Return a dict of figures for each worker; ratios are to our loops where they took part."""
    seconds = {worker.peer: worker.seconds for worker in workers}
    found = []
    for worker in workers:
        to_ours, to_fast = (ratio(worker.seconds, seconds.get(p)) for p in ("ours", "ours-fast"))
        found.append(
            {
                "peer": worker.peer,
                "median_ms": 1e3 * statistics.median(worker.seconds),
                "min_ms": 1e3 * min(worker.seconds),
                "max_ms": 1e3 * max(worker.seconds),
                "ratio": to_ours,
                "ratio_fast": to_fast,
                "cores": statistics.median(worker.cores),
                "peak_mb": worker.result["peak"],
                "loss": worker.result["loss"],
                "first_s": worker.first,
                "seconds": worker.seconds,
            }
        )
    return found


def floor(figures):
    """Return the floor of a step and our loops as multiples of it; None if it was not measured."""
    seconds = {row["peer"]: row["seconds"] for row in figures}
    if not {"gemms", "adam"} <= seconds.keys():
        return None
    least = [sum(pair) for pair in zip(seconds["gemms"], seconds["adam"], strict=True)]
    return {
        "products_ms": 1e3 * statistics.median(seconds["gemms"]),
        "adam_ms": 1e3 * statistics.median(seconds["adam"]),
        "median_ms": 1e3 * statistics.median(least),
        "multiples": {peer: ratio(seconds[peer], least) for peer in OURS if peer in seconds},
    }


def best(figures):
    """Return ``{library: row}``: the peer with the lowest median of each library but ours."""
    found = {}
    for row in sorted(figures, key=lambda row: row["median_ms"]):
        if library := LIBRARIES.get(row["peer"].partition("-")[0]):
            found.setdefault(library, row)
    return found


def ratio(seconds, base):
    """Return the median of the rounds' ratios, None where there is nothing to compare with."""
    if base is None:
        return None
    return statistics.median(s / b for s, b in zip(seconds, base, strict=True))


def drift(seconds):
    """Return how much longer a step took in the second half of the rounds than in the first."""
    half = len(seconds) // 2
    return statistics.median(seconds[half:]) / statistics.median(seconds[: half or 1])


def table(figures):
    heads = ("peer", "ms a step", "min – max", "/ours", "/fast", "cores", "peak MB", "loss")
    lines = [(*heads, "first s")]
    for row in figures:
        to_ours, to_fast, loss = (
            "" if value is None else f"{value:.{digits}f}"
            for value, digits in ((row["ratio"], 2), (row["ratio_fast"], 2), (row["loss"], 4))
        )
        span = f"{row['min_ms']:.2f} – {row['max_ms']:.2f}"
        median, peak = f"{row['median_ms']:.3f}", f"{row['peak_mb']:.0f}"
        cores, first = f"{row['cores']:.2f}", f"{row['first_s']:.1f}"
        lines.append((row["peer"], median, span, to_ours, to_fast, cores, peak, loss, first))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def remarks(figures):
    """Return the lines below the table: the best of each library, and the floor."""
    lines = []
    for library, row in best(figures).items():
        ratios = [
            f"{row[key]:.2f} times {name}"
            for key, name in (("ratio", "ours"), ("ratio_fast", "ours-fast"))
            if row[key] is not None
        ]
        lines.append(f"best of {library}: {row['peer']}, {', '.join(ratios) or 'alone'}")
    if least := floor(figures):
        parts = f"products {least['products_ms']:.3f} + Adam {least['adam_ms']:.3f}"
        lines.append(f"floor: {parts} = {least['median_ms']:.3f} ms; multiples of it:")
        multiples = [f"{peer} {value:.2f}" for peer, value in least["multiples"].items()]
        lines.append("  " + (", ".join(multiples) or "none of our loops was measured"))
    return "\n".join(lines)
