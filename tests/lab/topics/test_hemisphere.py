"""The dome over charges: where lines begin and end, and how evenly."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from unstir.errors import InputError
from unstir.lab.context import Context
from unstir.lab.requests import parse


def _last(more: str, data: str = '{"preset": "two-moons"}') -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    text = f'{{"id": 1, "slot": "dome", "kind": "hemisphere", "data": {data}{more}}}'
    *_, answer = parse(text).answer(Context())
    return dict(answer.scalars), {name: torch.as_tensor(array) for name, array in answer.arrays.items()}


def test_lines_lead_from_charges_to_the_dome_and_back() -> None:
    scalars, arrays = _last(', "lines": 90, "charges": 30, "radius": 4.0')
    assert torch.allclose(arrays["up"][-1].norm(dim=1), torch.tensor(4.0).double(), atol=1e-6)
    assert torch.allclose(arrays["down"][0].norm(dim=1), torch.tensor(4.0).double(), atol=1e-9)
    assert arrays["down"].shape[1:] == (90, 3)
    near = torch.cdist(arrays["down"][-1, :, :2], arrays["charges"]).amin(1)
    assert float(near.median()) < 0.02
    assert float(arrays["shares"].sum()) == pytest.approx(1.0, abs=1e-6)
    assert scalars["mean"] == pytest.approx(1.0, abs=1e-3)


def test_unevenness_falls_with_the_square_of_the_radius() -> None:
    near, far = (_last(f', "lines": 1, "radius": {radius}')[0]["uneven"] for radius in (6.0, 12.0))
    assert near / far == pytest.approx(4.0, rel=0.1)


def test_one_electron() -> None:
    scalars, arrays = _last(', "lines": 20', '{"points": [[0.5, -1.0]]}')
    assert scalars["middle"] == [0.5, -1.0]
    assert scalars["uneven"] < 1e-9
    assert torch.allclose(arrays["flux"], torch.ones(()).double())
    assert arrays["shares"].tolist() == [1.0]


def test_charges_beyond_the_dome_are_refused() -> None:
    with pytest.raises(InputError, match="some charges lie outside"):
        _last(', "radius": 0.5')
    with pytest.raises(InputError, match="give points"):
        _last("", '{"images": "digits"}')
