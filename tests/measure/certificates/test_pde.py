from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from unstir.measure.certificates import Finding
from unstir.measure.certificates.cases.pde import PDECase
from unstir.measure.certificates.samelaw import SameLaw
from unstir.physics.pde import PDE, ROWS, pde


def finding(case: PDECase, kind: str) -> Finding:
    return next(check for check in case.checks() if check.kind == kind).measure()


@pytest.mark.parametrize("row", list(ROWS))
def test_right_physics_passes(row: str) -> None:
    for check in PDECase(pde(row, dimension=1)).checks():
        if not isinstance(check, SameLaw) or row == "screened":
            assert check.measure().passed, check.kind


def test_births_must_be_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    from unstir.physics.pde import residual

    def uncounted(*arguments: object) -> float:
        return residual(*arguments, births=False)  # type: ignore[arg-type]

    monkeypatch.setattr("unstir.measure.certificates.cases.pde.residual", uncounted)
    assert finding(PDECase(pde("heat", dimension=1)), "conservation").passed
    assert not finding(PDECase(pde("screened", dimension=1)), "conservation").passed


def test_a_prior_that_is_not_flat_yet_is_refused() -> None:
    case = PDECase(pde("heat", dimension=1, t_max=2.0))  # 29 % of the slowest mode is left
    assert not finding(case, "limit").passed
    assert not finding(case, "equilibrium").passed


@dataclass(frozen=True)
class Barren(PDECase):
    """The way back without births."""

    def back(self, n: int, generator: torch.Generator) -> torch.Tensor:
        from unstir.physics.pde import transport

        times = self.process.times(64)[::-1]
        x = self.current.equilibrium(n, times[0], generator)
        *_, last = transport(NoBirths(self.current), x, times, generator)  # type: ignore[arg-type]
        return last.position


class NoBirths:
    def __init__(self, inner: object) -> None:
        self.inner = inner

    def field(self, x: torch.Tensor, t: float) -> tuple[torch.Tensor, torch.Tensor]:
        v, r = self.inner.field(x, t)  # type: ignore[attr-defined]
        return v, 0 * r

    def wrap(self, x: torch.Tensor) -> torch.Tensor:
        wrapped: torch.Tensor = self.inner.wrap(x)  # type: ignore[attr-defined]
        return wrapped


def test_reversal_refuses_a_way_back_without_births() -> None:
    assert not finding(Barren(pde("screened", dimension=1)), "reversal").passed


class Reminded(PDECase):
    """The density sharpens again at the end."""

    def law(self, t: float) -> torch.Tensor:
        return super().law(min(t, self.process.t_max / 2, 1.1 * self.process.t_max - t))


def test_the_second_law_refuses_a_density_that_sharpens() -> None:
    assert not finding(Reminded(pde("heat", dimension=1)), "second law").passed


@dataclass(frozen=True)
class Reckless(PDE):
    def check(self) -> None:
        return


def test_a_row_that_cannot_generate_must_refuse() -> None:
    right = pde("wave", dimension=1)
    assert finding(PDECase(right), "refusal").passed
    reckless = Reckless(right.name, right.row, right.box, right.t_max)
    assert not finding(PDECase(reckless), "refusal").passed
