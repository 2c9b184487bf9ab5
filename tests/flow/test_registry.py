from __future__ import annotations

from collections.abc import Callable

import pytest

from unstir.flow import SOLVERS, Adaptive, Ancestral, Churn, Euler, Heun, Multistep, Solver, parse_solver


@pytest.mark.parametrize(
    ("text", "solver"),
    [
        ("multistep", Multistep()),
        ("multistep:order=2,corrector=no", Multistep(2, corrector=False)),
        ("heun", Heun()),
        ("euler", Euler()),
        ("churn:amount=40,inflation=1.007", Churn(40, inflation=1.007)),
        ("churn:high=inf", Churn(high=float("inf"))),
        ("ancestral", Ancestral()),
        ("adaptive:rtol=1e-3", Adaptive(rtol=1e-3)),
    ],
)
def test_names_make_solvers(text: str, solver: Solver) -> None:
    assert parse_solver(text) == solver


def test_every_name_is_listed_and_has_a_default() -> None:
    assert list(SOLVERS) == ["multistep", "heun", "euler", "churn", "ancestral", "adaptive"]
    for name in SOLVERS:
        assert isinstance(parse_solver(name), Solver)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hein", ["solver 'hein' is not known", "did you mean heun?", "multistep, heun, euler"]),
        ("rk45", ["solver 'rk45' is not known"]),
        ("heun:order=2", ["heun has no parameter 'order'; it has none"]),
        ("multistep:order=2.5", ["order='2.5' is not a whole number"]),
        ("multistep:order=4", ["order=4"]),
        ("multistep:corrector=true", ["corrector='true' is neither yes nor no"]),
        ("churn:amount=-1", ["amount=-1", "give amount >= 0"]),
        ("churn:low=3,high=2", ["low=3, high=2"]),
        ("churn:inflation=0", ["inflation=0"]),
        ("churn:amount=nan", ["amount=nan"]),
        ("adaptive:rtol=0", ["rtol=0", "tolerances in (0, 1)"]),
        ("adaptive:atol=2", ["atol=2"]),
        ("adaptive:rtol=1e-3,rtol=1e-3", ["rtol is given twice"]),
    ],
)
def test_bad_specifications_are_refused_in_one_line(
    text: str, words: list[str], refused: Callable[..., str]
) -> None:
    message = refused(parse_solver, text)
    for word in words:
        assert word in message
