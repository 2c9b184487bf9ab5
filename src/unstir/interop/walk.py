"""The multistep solver turned round: it is given the field's answers, one a step, and asks for none."""

from __future__ import annotations

from torch import Tensor

from unstir.fields.field import FunctionField
from unstir.flow import Multistep
from unstir.flow.multistep import weights
from unstir.flow.solver import LinearPath, combine
from unstir.physics import LinearProcess


class Walk:
    """One way down the times.

    Args:
        solver: order, and whether states are corrected.
        process: A, B and their basis.
        times: falling; the walk begins at the first.
        shape: of one item.
    """

    def __init__(
        self, solver: Multistep, process: LinearProcess, times: list[float], shape: tuple[int, ...]
    ) -> None:
        self.path = LinearPath(process, FunctionField(_nothing), times, shape)
        self.order = solver.order or process.layout.order
        self.predict = weights(self.path, self.order, 0)
        self.correct = weights(self.path, self.order, 1) if solver.corrector else None
        self.past: list[Tensor] = []
        self.before: Tensor | None = None
        self.at = 0

    def step(self, denoised: Tensor, x: Tensor) -> Tensor:
        """The state at the next time from the state `x` at this one, for which the field says `denoised`.

        As in `Multistep.step`: with the new answer the step that led here is redone first.
        """
        basis, B, i = self.path.process.basis, self.path.B, self.at
        self.past = [basis.coordinates(denoised), *self.past[: self.order]]
        u = basis.coordinates(x)
        if self.before is not None and self.correct is not None:
            u = combine(self.before, B[i] / B[i - 1], *zip(self.past, self.correct[i - 1], strict=False))
        self.before, self.at = u, i + 1
        state: Tensor = basis.state(
            combine(u, B[i + 1] / B[i], *zip(self.past, self.predict[i], strict=False))
        )
        return state


def _nothing(x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
    raise RuntimeError("the answers are given, and none is asked for")
