"""Stands before PyTorch in the processes that tests start: there it is not installed."""

raise ModuleNotFoundError("No module named 'torch'", name="torch")
