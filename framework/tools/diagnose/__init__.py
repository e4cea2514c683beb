"""Diagnose: find what is wrong with a hand-written network, and go through one step of it."""

from firstlight.tools.diagnose.checking import check
from firstlight.tools.diagnose.explaining import StepThrough, explain
from firstlight.tools.diagnose.findings import Finding, Report

__all__ = ["Finding", "Report", "StepThrough", "check", "explain"]
