"""Coins by the thousand against their exact laws, and the way back."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from unstir.errors import InputError
from unstir.lab.context import Context
from unstir.lab.requests import parse
from unstir.lab.topics.coins import entropy, first_rows, tossed
from unstir.physics import CoinProcess
from unstir.picture.coins import bell, heads

ASK = '{"id": 1, "slot": "coins", "kind": "coins"%s}'


def _answers(more: str = "") -> list[dict[str, torch.Tensor]]:
    stages = list(parse(ASK % more).answer(Context()))
    assert [stage.done for stage in stages] == [False] * (len(stages) - 1) + [True]
    return [{name: torch.as_tensor(array) for name, array in stage.arrays.items()} for stage in stages]


def test_rows_begin_with_the_peaks() -> None:
    rows = first_rows(20, 1000, [(3, 0.25), (18, 0.75)], 5)
    number = rows.sum(1)
    assert int((number == 3).sum()) == 250
    assert int((number == 18).sum()) == 750
    # Heads at places by chance: each place as often, to four standard errors.
    assert float((rows.double().mean(0) - (0.25 * 0.15 + 0.75 * 0.9)).abs().max()) < 4 * (0.25 / 1000) ** 0.5
    # Neither first the ones and then the others.
    assert 0.15 < float((number[:200] == 3).double().mean()) < 0.35


def test_counts_follow_the_exact_law_at_every_time() -> None:
    (answer,) = _answers(', "rows": 4000, "frames": 6')
    law, counts = answer["law"].double(), answer["counts"].double()
    # Pearson's χ², cells of few expected together: mean the degrees of freedom, four deviations above.
    for expected, seen in zip(4000 * law[1:], counts[1:], strict=True):
        likely = expected > 8
        chi = float(((seen - expected)[likely] ** 2 / expected[likely]).sum())
        freedom = int(likely.sum())
        assert chi < freedom + 4 * math.sqrt(2 * freedom)
    assert torch.allclose(law[-1], answer["bell"].double(), atol=1e-9)
    assert float(answer["distance"][0]) < 1e-6
    # Another law would be noticed.
    assert 0.5 * float((counts[2] / 4000 - law[3]).abs().sum()) > 0.2


def test_a_tossed_coin_stays_tossed() -> None:
    """The same coins at every moment: what has changed once changes no more."""
    first = torch.zeros(50, 30, dtype=torch.int64)
    moments = list(tossed(CoinProcess(), first, 9, 3))
    rows = torch.stack([moment.shown for moment in moments]).int()
    assert torch.equal(moments[5].shown.sum(1), moments[5].heads[:24])
    assert bool((rows.diff(dim=0) >= 0).all())
    assert int(rows[0].sum()) == 0


def test_entropy_is_that_of_all_rows() -> None:
    """Four coins, each of sixteen rows by itself."""
    law = heads(CoinProcess(), 400.0, 4, [(1, 0.7), (4, 0.3)])
    total = 0.0
    for row in itertools.product((0, 1), repeat=4):
        m = sum(row)
        p = float(law[m]) / math.comb(4, m)
        total -= p * math.log2(p)
    assert entropy(law) == pytest.approx(total, abs=1e-12)
    assert entropy(bell(64)) == pytest.approx(64.0, abs=1e-9)
    one = torch.zeros(65).double()
    one[0] = 1
    assert entropy(one) == pytest.approx(0.0, abs=1e-12)


def test_entropy_rises_forward_and_falls_backward() -> None:
    (forward,) = _answers(', "rows": 50')
    assert bool((forward["entropy"].diff() > 0).all())
    *_, back = _answers(', "rows": 100, "direction": "backward", "frames": 21')
    assert bool((back["entropy"].diff() < 0).all())
    assert back["times"].tolist() == sorted(back["times"].tolist(), reverse=True)


def test_the_way_back_comes_to_the_peaks() -> None:
    coarse, fine = _answers(', "rows": 310, "direction": "backward", "frames": 41')
    assert int(coarse["counts"][0].sum()) == 300
    last = fine["counts"][-1].double() / 310
    near = float(last[3:10].sum()), float(last[51:58].sum())
    assert sum(near) > 0.98
    assert near[0] == pytest.approx(0.6, abs=4 * (0.24 / 310) ** 0.5)
    assert float(fine["distance"][0]) < 0.15
    assert torch.equal(fine["rows"][:, 0].sum(1)[-1:], fine["rows"][-1, 0].sum()[None])


def test_bad_peaks_are_named() -> None:
    with pytest.raises(InputError, match="70 heads of 64 coins"):
        parse(ASK % ', "peaks": [[70, 1.0]]')
    with pytest.raises(InputError, match="peaks"):
        parse(ASK % ', "peaks": []')
