from __future__ import annotations

import re
from pathlib import Path

import pytest

from unstir.fields.cost import Cost, cost

PAGE = Path(__file__).parents[2] / "docs" / "networks.md"
ROWS = re.findall(
    r"^\| `([\w-]+):(\w+)` \| ([\d×]+) \| ([\d,]+) \| ([\d,.]+) \|$", PAGE.read_text("utf-8"), re.M
)


def test_the_cost_of_an_mlp_is_that_of_its_matrices() -> None:
    s, w, d = 5, 32, 3
    matrices = 64 * w + w * w + s * w + d * (2 * w * w + 4 * w * w) + w * s
    biases = 2 * w + w + d * (2 * w + 3 * w) + s
    assert cost("mlp", (s,), {"width": w, "depth": d}) == Cost(matrices + biases, 2 * matrices)


def test_the_cost_of_a_transformer_counts_attention() -> None:
    c, p, w, d, T = 3, 2, 24, 2, 5 * 4  # patches of 9×7
    block = 6 * w * w + 12 * w * w
    embedding, output = 64 * w + w * w, 2 * w * w
    patches = 2 * w * c * p * p
    found = cost("dit", (c, 9, 7), {"width": w, "depth": d, "heads": 2})
    biases = 2 * w + w + d * 12 * w + 2 * w + c * p * p
    assert found.parameters == embedding + patches + d * block + output + biases
    # What noise level and class make of a block is reckoned once an item, all else for each patch.
    once = embedding + d * 6 * w * w + output
    each = T * (patches + d * 12 * w * w)
    attention = d * 2 * T * T * w
    assert found.flops == 2 * (once + each + attention)


def test_a_convolution_costs_each_place() -> None:
    small, twice = cost("unet1d", (1, 512)), cost("unet1d", (1, 1024))
    assert cost("unet1d", (1, 1000)) == twice  # filled up
    channels = {"channels": [8, 8]}
    ratio = cost("unet1d", (1, 4000), channels).flops / cost("unet1d", (1, 1000), channels).flops
    assert ratio == pytest.approx(4, rel=1e-2)
    assert small.flops < twice.flops


def test_the_page_gives_what_is_counted() -> None:
    assert {row[0] for row in ROWS} >= {"mlp", "unet", "dit", "unet1d", "transformer"}
    for network, size, shape, parameters, mflop in ROWS:
        found = cost(network, tuple(map(int, shape.split("×"))), {"size": size})
        assert f"{found.parameters:,} {found.flops / 1e6:,.1f}" == f"{parameters} {mflop}"
