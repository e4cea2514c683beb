"""Diagnose: find what is wrong with a hand-written network, and go through one step of it."""

from firstlight.diagnose.checking import check
from firstlight.diagnose.explaining import StepThrough, explain
from firstlight.diagnose.findings import Finding, Report

__all__ = ["Finding", "Report", "StepThrough", "check", "explain"]
