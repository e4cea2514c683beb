"""The parts of a batch: inputs, targets, a mask."""


def mapped(batch, function):
    """Return a batch with a function applied to each array."""
    if isinstance(batch, (tuple, list)):
        return tuple(mapped(part, function) for part in batch)
    if isinstance(batch, dict):
        return {name: mapped(part, function) for name, part in batch.items()}
    return function(batch)


def parts_of(batch):
    """Return ``(x, y, mask)`` of a batch, None for what it has not."""
    if isinstance(batch, dict):
        y = next(
            (batch[k] for k in ("y", "target", "targets", "label", "labels") if k in batch), None
        )
        return next(iter(batch.values())), y, batch.get("mask")
    parts = batch if isinstance(batch, tuple) else (batch,)
    y = parts[1] if len(parts) > 1 else None
    return parts[0], y, parts[2] if len(parts) > 2 else None
