"""Outcome: what a solution computed in a process of its own, and how it is sent."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np


@dataclass
class Problem:
    """An exception that ended a trial, or a step that no solution may take.

    Attributes
    ----------
    blank : str
        The blank in which it happened, "" if in none.
    kind : str
        Class of the exception, or of the forbidden step.
    message : str
    line : int
        Of the student's file; 0 if unknown.
    sizes : dict of str to int
        The sizes of the trial, by name.
    trial : str
        The run and the trial that it ended, "" if none.
    """

    blank: str
    kind: str
    message: str
    line: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    trial: str = ""


@dataclass
class Outcome:
    """The result of running a solution.

    Attributes
    ----------
    values : dict of str to array
        Each output by ``"run/blank/name"``.
    sizes : dict of str to dict of str to int
        The sizes of each output's trial, by name.
    starts : dict of str to int
        The number of values before each trial, by ``"run/trial"``.
    problems : list of Problem
        Exceptions.
    forbidden : list of Problem
        Steps that no solution may take.
    findings : dict of str to list of str
        By blank: the sentence of `firstlight check`, its line, and the line that is right.
    printed : str
        The beginning of what the solution printed.
    ended : str
        "" if the process ran to its end; else why not, such as "time".
    seconds : float
    """

    values: dict[str, np.ndarray] = field(default_factory=dict)
    sizes: dict[str, dict[str, int]] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    forbidden: list[Problem] = field(default_factory=list)
    findings: dict[str, list[str]] = field(default_factory=dict)
    printed: str = ""
    ended: str = ""
    seconds: float = 0.0

    def to_bytes(self) -> bytes:
        """Return the outcome as an NPZ file of arrays and JSON, which needs no pickle."""
        told: dict[str, Any] = asdict(self) | {"values": list(self.values)}
        arrays = {str(n): value for n, value in enumerate(self.values.values())}
        file = io.BytesIO()
        np.savez(file, told=np.frombuffer(json.dumps(told).encode(), "uint8"), **arrays)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Outcome:
        """Return the outcome of which `to_bytes` gave the bytes.

        Raises
        ------
        ValueError, KeyError, TypeError
            They are no outcome.
        """
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            told = json.loads(file["told"].tobytes())
            told["values"] = {name: file[str(n)] for n, name in enumerate(told["values"])}
        told["problems"] = [Problem(**one) for one in told["problems"]]
        told["forbidden"] = [Problem(**one) for one in told["forbidden"]]
        return cls(**told)
