"""The catalog: what there is to choose from, with the range of each parameter's slider.

Ranges are the lab's own: a page is for looking, and within them every process answers soon.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from unstir import spec
from unstir.errors import InputError
from unstir.lab.points import IMAGES, POINTS
from unstir.physics import ROWS, entries, parse
from unstir.physics.registry import entry_of_pde


@dataclass(frozen=True)
class Range:
    """Of a number.

    Attributes:
        low, high: its ends.
        log: whether a slider moves by factors.
    """

    low: float
    high: float
    log: bool = False


_SIGMAS: dict[str, Range | tuple[str, ...]] = {
    "sigma_min": Range(0.001, 0.1, log=True),
    "sigma_max": Range(2, 200, log=True),
}
_CHARGES = Range(1, 4096, log=True)
_BLUR = Range(0, 2)
_RANGES: dict[str, dict[str, Range | tuple[str, ...]]] = {
    "vp": {"schedule": ("linear", "cosine")},
    "ve": _SIGMAS,
    "edm": _SIGMAS,
    "rectified": {},
    "poisson": {"D": _CHARGES, **_SIGMAS},
    "pfgm": {
        "gamma": Range(0, 100),
        "sigma": Range(0.001, 0.1, log=True),
        "tau": Range(0.01, 0.1, log=True),
        "M": Range(0, 1000),
    },
    "yukawa": {"kappa": Range(0.01, 100, log=True), **_SIGMAS},
    "oscillator": {},
    "levy": {"alpha": Range(1.0, 2), **_SIGMAS},
    "kac": {"a": Range(0.5, 50, log=True), "c": Range(0.5, 20, log=True)},
    "heat": {"sigma": Range(0.001, 0.2, log=True), "blur": _BLUR},
    "blurring": {"blur": _BLUR},
    "heat_poisson": {"D": _CHARGES, "blur": _BLUR},
    "langevin": {
        "beta": Range(3.4, 20, log=True),
        "mass": Range(0.05, 1, log=True),
        "gamma": Range(0.01, 1, log=True),
    },
    "coins": {"noise": ("uniform", "absorbing"), "T": Range(1, 10_000, log=True), "states": Range(2, 16)},
    "capacitor": {"L": Range(0, 20)},
    "bridge": {
        "task": ("deblur", "superres", "inpaint", "denoise"),
        "width": Range(0.3, 4),
        "factor": Range(2, 4),
        "hole": Range(0.1, 0.8),
        "noise": Range(0, 0.5),
        "sigma": Range(0.05, 2, log=True),
    },
    "pde": {
        "row": tuple(ROWS),
        "dispersion": ("row",),
        "dimension": Range(2, 2),
        "m": Range(0.05, 10, log=True),
        "k0": Range(0.01, 2, log=True),
        "epsilon": Range(0.5, 100, log=True),
        "a": Range(0.5, 1.99),
        "box": Range(4, 16),
        "cells": Range(32, 128),
        "t_max": Range(0, 100),
        "births": ("source", "branch"),
    },
}


def check_parameters(process: str) -> None:
    """Refuse values outside the lab's ranges; what is no value at all is left to the process's own parser.

    Raises:
        InputError: a number below or above its range.
    """
    name, _, text = process.strip().partition(":")
    known = _RANGES.get(name, {})
    for part in text.split(","):
        key, _, value = (piece.strip() for piece in part.partition("="))
        limit = known.get(key)
        if not isinstance(limit, Range):
            continue
        try:
            number = float(value)
        except ValueError:
            continue
        if not limit.low <= number <= limit.high:
            raise InputError(
                f"process {process!r}: {key}={value} is beyond what the lab shows; "
                f"give {limit.low:g} to {limit.high:g}"
            )


def processes() -> list[dict[str, Any]]:
    """Every process with its parameters, as a page can offer them."""
    from unstir.flow import solvers
    from unstir.lab.families import family_of
    from unstir.picture.registry import parse as parse_any

    listed = []
    for entry in [*entries(), entry_of_pde()]:
        family = family_of(parse_any(entry.name))
        listed.append(
            {
                "name": entry.name,
                "summary": entry.summary,
                "family": family.name,
                "parameters": [_parameter(entry.name, key, value) for key, value in _open(entry)],
                "solvers": [] if entry.name == "pde" else list(solvers(parse(entry.name))),
                "generates2d": family.points,
                "images": family.images,
            }
        )
    return listed


def rows() -> list[dict[str, Any]]:
    """The rows of the PDE table in the plane, each with its verdict."""
    from unstir.physics.pde import pde

    listed = []
    for name in ROWS:
        process = pde(name)
        verdict = process.verdict
        listed.append(
            {
                "name": name,
                "equation": process.row.equation,
                "generates": verdict.generates,
                "fails": verdict.failed or None,
                "reason": verdict.reason or None,
            }
        )
    return listed


def presets() -> list[dict[str, str]]:
    """The built-in data."""
    return [{"name": name, "kind": "points"} for name in POINTS] + [
        {"name": name, "kind": "images"} for name in IMAGES
    ]


def _open(entry: Any) -> list[tuple[str, spec.Value]]:  # noqa: ANN401
    """Parameters of which there is a choice."""
    known = _RANGES[entry.name]
    return [(key, value) for key, value in entry.parameters.items() if _choices(known[key]) > 1]


def _choices(limit: Range | tuple[str, ...]) -> float:
    return limit.high - limit.low + 1 if isinstance(limit, Range) else len(limit)


def _parameter(process: str, key: str, default: spec.Value) -> dict[str, Any]:
    limit = _RANGES[process][key]
    if isinstance(limit, Range):
        whole = isinstance(default, int)
        numbers = {"low": limit.low, "high": limit.high, "log": limit.log, "whole": whole}
        return {"name": key, "default": default, "kind": "number", **numbers}
    return {"name": key, "default": default, "kind": "choice", "choices": list(limit)}
