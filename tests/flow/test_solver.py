from __future__ import annotations

import pytest
import torch

from unstir.fields import ExactField, as_field
from unstir.flow import LinearPath, Step
from unstir.flow.solver import combine
from unstir.physics import parse


def test_combinations_are_new_tensors() -> None:
    x, d, e = torch.ones(2, 3), torch.full((2, 3), 2.0), torch.full((2, 3), 5.0)
    out = combine(x, 2.0, (d, 0.5), (e, -1.0))
    assert out.tolist() == [[-2.0] * 3] * 2
    assert x.tolist() == [[1.0] * 3] * 2
    assert d.tolist() == [[2.0] * 3] * 2
    assert combine(x, 1.0) is not x


@pytest.mark.parametrize("name", ["vp", "edm", "rectified", "poisson:D=8"])
def test_a_path_holds_the_processs_numbers_at_its_times(name: str) -> None:
    process = parse(name)
    times = process.times(6)
    path = LinearPath(process, as_field(ExactField(process, torch.zeros(1, 2))), times.tolist(), (2,))
    assert process.A(times).tolist() == path.A
    assert process.B(times).tolist() == path.B
    f, g = path.drift
    x, d = torch.randn(6, 2).double(), torch.randn(6, 2).double()
    expected = process.velocity(x, times, d)
    found = torch.tensor(f)[:, None].double() * x + torch.tensor(g)[:, None].double() * d
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert len(path.slices) == 6


def test_records_are_frozen() -> None:
    step = Step(0, 1.0, torch.zeros(1), None)
    with pytest.raises(AttributeError):
        step.time = 2.0  # type: ignore[misc]
