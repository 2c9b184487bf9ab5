from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from typer.testing import CliRunner

from unstir.cli import app
from unstir.measure.certificates import Check, Finding, Question, questions
from unstir.measure.certificates.registry import case_of
from unstir.physics import entries, parse


@dataclass(frozen=True)
class Fixed(Check):
    kind = "fixed"

    value: float = 0.0

    def measure(self) -> Finding:
        return Finding(self.value, 1.0)


def test_every_process_there_is_has_a_case() -> None:
    for entry in entries():
        assert case_of(parse(entry.name)) is not None, entry.name


def test_names_take_parameters_and_only_those_named_are_asked() -> None:
    asked = questions(["poisson:D=1", "pde:row=wave,dimension=1"])
    assert {question.process for question in asked} == {"poisson:D=1", "pde:row=wave,dimension=1"}
    kinds = [question.check.kind for question in asked if question.process == "poisson:D=1"]
    for kind in (
        "conservation",
        "equilibrium",
        "reversal",
        "second law",
        "microscopic",
        "Gauss's law",
        "limit",
    ):
        assert kind in kinds


def test_bad_names_are_refused(refused: Callable[..., str]) -> None:
    assert "did you mean edm" in refused(questions, ["emd"])
    assert "no parameter" in refused(questions, ["edm:D=3"])
    assert "the rows are" in refused(questions, ["pde:row=wav"])


def test_nothing_that_is_not_a_number_passes() -> None:
    assert not Finding(float("nan"), 1.0).passed
    assert not Finding(float("nan"), 1.0, at_least=True).passed
    assert Finding(1.0, 1.0).passed
    assert Finding(1.0, 1.0, at_least=True).passed


@pytest.mark.parametrize(("value", "status"), [(0.5, 0), (2.0, 1)])
def test_the_command_says_so_and_exits_1_where_one_fails(
    value: float, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [Question("edm", Fixed("this, that")), Question("edm", Fixed("these, those", value))]
    monkeypatch.setattr("unstir.measure.certificates.questions", lambda names: asked)
    told = CliRunner().invoke(app, ["verify", "edm", "--json"])
    assert told.exit_code == status
    record = json.loads(told.stdout)
    assert record["passed"] is (status == 0)
    assert [c["passed"] for c in record["certificates"]] == [True, status == 0]
    assert CliRunner().invoke(app, ["verify"]).exit_code == status
