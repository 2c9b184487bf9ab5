"""Built-in data sets: images, points in the plane, a heavy-tailed table, text; the same on every run.

    digits         1,797 grey 8x8 images of handwritten digits, 0..16 scaled to 0..255, with classes
    two-moons      two half circles of radius 1 that interlock, Gaussian noise of 0.05
    swissroll      the spiral (u cos u, u sin u) / 10, u from 1.5π to 4.5π, Gaussian noise of 0.05
    gaussians8     eight Gaussians of deviation 0.1 around the unit circle
    checkerboard   the dark squares of a 4x4 board on [-1, 1]², uniform
    student-t      8 columns of two clusters with tails: elliptical Student-t of 3 degrees of freedom
    arithmetic     sums and differences of two numbers below 100, such as `12+7=19`, without repetition

Each set of points holds 10,000, as float32 columns `x` and `y`; there are 10,000 lines of arithmetic. The
table has 200,000 rows, so that a fifth of it still tells the 0.9999 quantile. Its clusters lie at ±1 in every
column, neighbouring columns are correlated by 0.6 in one of them and by −0.6 in the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from unstir.data.dataset import Dataset
from unstir.data.text import from_lines

POINTS = 10_000
SEED = 2015
GAUSSIANS8_STD = 0.1
STUDENT_ROWS, STUDENT_COLUMNS, STUDENT_FREEDOM = 200_000, 8, 3

Array = np.ndarray[Any, Any]


def _digits() -> Dataset:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    labels = torch.from_numpy(bunch.target.astype(np.int64))
    return Dataset("digits", "image", torch.from_numpy(pixels), labels, tuple(str(i) for i in range(10)))


def _two_moons() -> Dataset:
    from sklearn.datasets import make_moons

    points, moon = make_moons(POINTS, noise=0.05, random_state=SEED)
    return _points("two-moons", points, moon, ("upper", "lower"))


def _swissroll() -> Dataset:
    from sklearn.datasets import make_swiss_roll

    points, _ = make_swiss_roll(POINTS, noise=0.5, random_state=SEED)
    return _points("swissroll", points[:, [0, 2]] / 10)


def _gaussians8() -> Dataset:
    generator = np.random.default_rng(SEED)
    label = generator.integers(8, size=POINTS)
    angle = label * (math.tau / 8)
    centres = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = centres + GAUSSIANS8_STD * generator.standard_normal((POINTS, 2))
    return _points("gaussians8", points, label, tuple(f"{45 * i} degrees" for i in range(8)))


def _checkerboard() -> Dataset:
    generator = np.random.default_rng(SEED)
    row = generator.integers(4, size=POINTS)
    column = 2 * generator.integers(2, size=POINTS) + row % 2
    corner = np.stack([column, row], axis=1)
    return _points("checkerboard", (corner + generator.random((POINTS, 2))) / 2 - 1)


def _student_t() -> Dataset:
    generator = np.random.default_rng(SEED)
    label = generator.integers(2, size=STUDENT_ROWS)
    sign = 2.0 * label - 1
    apart = np.abs(np.subtract.outer(np.arange(STUDENT_COLUMNS), np.arange(STUDENT_COLUMNS)))
    factors = np.stack([np.linalg.cholesky(correlation**apart) for correlation in (-0.6, 0.6)])
    normal = generator.standard_normal((STUDENT_ROWS, STUDENT_COLUMNS))
    stretch = np.sqrt(STUDENT_FREEDOM / generator.chisquare(STUDENT_FREEDOM, STUDENT_ROWS))
    rows = sign[:, None] + stretch[:, None] * np.einsum("nij,nj->ni", factors[label], normal)
    values = torch.from_numpy(rows.astype(np.float32))
    columns = tuple(f"t{i + 1}" for i in range(STUDENT_COLUMNS))
    return Dataset("student-t", "table", values, torch.from_numpy(label), ("lower", "upper"), columns)


def _arithmetic() -> Dataset:
    sums = [f"{a}+{b}={a + b}" for a in range(100) for b in range(100)]
    differences = [f"{a}-{b}={a - b}" for a in range(100) for b in range(a + 1)]
    lines = np.array(sums + differences)
    chosen = np.random.default_rng(SEED).permutation(len(lines))[:POINTS]
    return from_lines(lines[chosen].tolist(), "arithmetic")


def _points(name: str, points: Array, label: Array | None = None, names: tuple[str, ...] = ()) -> Dataset:
    values = torch.from_numpy(points.astype(np.float32))
    labels = None if label is None else torch.from_numpy(label.astype(np.int64))
    return Dataset(name, "table", values, labels, names, columns=("x", "y"))


_MAKERS: dict[str, Callable[[], Dataset]] = {
    "digits": _digits,
    "two-moons": _two_moons,
    "swissroll": _swissroll,
    "gaussians8": _gaussians8,
    "checkerboard": _checkerboard,
    "student-t": _student_t,
    "arithmetic": _arithmetic,
}
BUILTIN = tuple(_MAKERS)


def make(name: str) -> Dataset:
    """The built-in data set `name`, one of `BUILTIN`."""
    return _MAKERS[name]()
