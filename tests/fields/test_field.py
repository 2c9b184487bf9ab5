from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from unstir.fields import ExactField, Field, FunctionField, MixtureField, NeuralField, as_field
from unstir.physics import edm


def shrink(x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
    return x / (1 + t[:, None] ** 2)


class Half(nn.Module):
    def forward(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        return x * 0.5


def test_a_plain_function_is_a_field() -> None:
    field = as_field(shrink)
    x = torch.randn(5, 2)
    t = torch.full((5,), 3.0)
    assert isinstance(field, FunctionField)
    torch.testing.assert_close(field(x, t), shrink(x, t, None))
    torch.testing.assert_close(field.at(3.0)(x, None), shrink(x, t, None))


def test_a_function_gets_its_labels_and_times_in_the_states_dtype() -> None:
    seen: list[tuple[Tensor, Tensor | None]] = []

    def remember(x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        seen.append((t, label))
        return x

    label = torch.arange(3)
    as_field(remember).at(0.25)(torch.zeros(3, 2, dtype=torch.float64), label)
    (t, got) = seen[0]
    assert t.tolist() == [0.25] * 3
    assert t.dtype == torch.float64
    assert got is label


def test_fields_are_left_as_they_are() -> None:
    points = torch.randn(3, 2)
    fields: list[Field] = [
        ExactField(edm(), points),
        MixtureField(edm(), torch.ones(3), points, torch.ones(3)),
        NeuralField(nn.Identity(), edm()),
    ]
    for field in fields:
        assert isinstance(field, Field)
        assert as_field(field) is field
    module = Half()
    assert as_field(module).at(1.0)(points, None).tolist() == (points * 0.5).tolist()


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="a Tensor cannot be called"):
        as_field(torch.zeros(3))  # type: ignore[arg-type]
