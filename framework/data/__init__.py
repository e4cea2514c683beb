"""Data: the splits of a task, and loaders from whatever holds data."""

from firstlight.data.splits import ArrayDataset, DataLoader, DataSplits

__all__ = ["ArrayDataset", "DataLoader", "DataSplits"]
