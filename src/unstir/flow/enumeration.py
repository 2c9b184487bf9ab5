"""Few coins, all rows of them counted: laws over every state as vectors, one step of time as a matrix.

With S symbols and D coins there are S^D rows. Nothing here is estimated, so it certifies the rest:

    forward     law_t = law_0 · Q(t)           Q(t) a product over coins, or of the single steps
    backward    law_s = law_t · P(t → s)       P of a solver's own law for each coin, given the field
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.fields import Field
from unstir.flow.discrete import CoinSolver
from unstir.flow.solver import Path
from unstir.physics.coins import CoinProcess

_MOST_ROWS = 4096


def all_rows(symbols: int, shape: Sequence[int]) -> Tensor:
    """Every row of coins, int64 `(symbols^coins, *shape)`, the first coin slowest.

    Raises:
        InputError: more than 4,096 of them.
    """
    coins = torch.Size(shape).numel()
    if symbols**coins > _MOST_ROWS:
        raise InputError(
            f"shape={tuple(shape)}: {symbols} symbols make over {_MOST_ROWS} rows; give fewer coins"
        )
    rows = torch.tensor(list(itertools.product(range(symbols), repeat=coins)))
    return rows.reshape(-1, *shape)


def forward_matrix(process: CoinProcess, shape: Sequence[int], s: float, t: float) -> Tensor:
    """q(x_t | x_s) over all rows, float64 `(rows, rows)`, from `s` up to `t`."""
    one = torch.ones((), dtype=torch.float64)
    kept = process.signal(t * one) / process.signal(s * one)
    symbols = process.toss.symbols
    coin = kept * torch.eye(symbols, dtype=torch.float64) + (1 - kept) * process.toss.law
    rows = all_rows(symbols, shape).flatten(1)
    return coin[rows[:, None], rows[None]].prod(-1)


def backward_matrix(
    process: CoinProcess, field: Field, solver: CoinSolver, shape: Sequence[int], times: Sequence[float]
) -> Tensor:
    """p(x_s | x_t) over all rows, float64 `(rows, rows)`: what `solver` does along all of `times`."""
    rows = all_rows(process.toss.symbols, shape)
    total = torch.eye(len(rows), dtype=torch.float64)
    path = Path(process, field, times)
    for i in range(len(times) - 1):
        law = solver.step_law(path, i, rows, path.slices[i](rows, None)).flatten(1, -2)
        coins = torch.arange(law.shape[1])
        total = total @ law[:, None, coins, rows.flatten(1)].prod(-1).reshape(len(rows), -1)
    return total
