"""Data: data sets, loaders, the splits of a task."""

from firstlight.data.dataset import ArrayDataset
from firstlight.data.loader import DataLoader
from firstlight.data.remote_files import RemoteFiles, downloadable
from firstlight.data.splits import DataSplits

__all__ = ["ArrayDataset", "DataLoader", "DataSplits", "RemoteFiles", "downloadable"]
