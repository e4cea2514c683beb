"""Tests of kernels run each of them in every order of threads."""

import sys

import pytest


@pytest.fixture(autouse=True)
def _every_order(monkeypatch):
    if "fake_gpu" in sys.modules:
        from fake_gpu import kernels

        monkeypatch.setattr(kernels, "orders", kernels.ORDERS)
