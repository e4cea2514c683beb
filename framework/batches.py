"""Batches: arrays, or tuples, lists and dicts of arrays."""

from firstlight.backend import to_device


def placed(batch, device, dtype):
    """Return the batch on a device, with floating arrays cast to the model's dtype."""
    if isinstance(batch, (tuple, list)):
        return tuple([placed(part, device, dtype) for part in batch])
    if isinstance(batch, dict):
        return {name: placed(part, device, dtype) for name, part in batch.items()}
    if batch.dtype.kind == "f" and batch.dtype != dtype:
        batch = batch.astype(dtype)
    return batch if device == "cpu" else to_device(batch, device)


def sample_count(batch):
    """Return how many samples a batch holds: the length of its first array."""
    while isinstance(batch, (tuple, dict)):
        batch = batch[0] if isinstance(batch, tuple) else next(iter(batch.values()))
    return len(batch)


def describe_batch(batch):
    """Return a short text such as ``(float32 (32, 64), int64 (32,))``."""
    if isinstance(batch, (tuple, list)):
        return f"({', '.join(describe_batch(part) for part in batch)})"
    if isinstance(batch, dict):
        return f"{{{', '.join(f'{k}: {describe_batch(v)}' for k, v in batch.items())}}}"
    return f"{batch.dtype} {batch.shape}" if hasattr(batch, "dtype") else type(batch).__name__
