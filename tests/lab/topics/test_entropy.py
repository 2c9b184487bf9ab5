"""The curves of entropy: a Gaussian exactly, agreement of both ways, and what has none."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from unstir.errors import InputError
from unstir.lab.context import Context
from unstir.lab.requests import parse


def _last(process: str, data: str, more: str = "") -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    text = f'{{"id": 1, "slot": "curve", "kind": "entropy", "process": "{process}", "data": {data}{more}}}'
    *_, answer = parse(text).answer(Context())
    return dict(answer.scalars), {name: torch.as_tensor(array) for name, array in answer.arrays.items()}


def test_one_particle_under_diffusion_has_the_entropy_of_a_gaussian() -> None:
    _, arrays = _last("edm", '{"points": [[0.3, 0.1]]}', ', "n": 1500, "frames": 6')
    exact = torch.log2(2 * math.pi * math.e * arrays["times"].double() ** 2)
    assert float(((arrays["exact"] - exact) / arrays["error"]).abs().max()) < 4
    assert torch.allclose(arrays["forward"].double(), exact, atol=0.2)
    # Backward the last state is the point itself but for its noise: the flow of one point is exact.
    assert torch.allclose(arrays["backward"][1:].double(), exact[1:], atol=0.3)


@pytest.mark.parametrize("process", ["edm", "poisson:D=1", "rectified"])
def test_draws_follow_the_exact_curve_both_ways(process: str) -> None:
    _, arrays = _last(process, '{"preset": "gaussians8"}', ', "n": 1000, "frames": 8')
    seen = arrays["exact"] > 2.5  # beneath lies what neighbours cannot see
    assert int(seen.sum()) >= 3
    for way in ("forward", "backward"):
        miss = (arrays[way] - arrays["exact"]).abs()
        assert bool((miss < 4 * arrays["error"] + 0.2)[seen].all())
    assert bool((arrays["exact"].diff() > 0).all())


def test_velocities_count() -> None:
    _, arrays = _last("langevin", '{"preset": "two-moons"}', ', "n": 1000, "frames": 6')
    assert "exact" not in arrays
    # At rest: x of variance 1 and v of variance ¼, both in the plane.
    rest = 2 * math.log2(2 * math.pi * math.e * 0.5)
    assert float(arrays["forward"][-1]) == pytest.approx(rest, abs=0.25)
    assert float(arrays["backward"][-1]) == pytest.approx(rest, abs=0.25)


def test_what_has_no_curve_says_so() -> None:
    for process, data in (("capacitor", '{"preset": "two-moons"}'), ("heat", '{"images": "digits"}')):
        with pytest.raises(InputError, match="has no curve of entropy"):
            _last(process, data)
