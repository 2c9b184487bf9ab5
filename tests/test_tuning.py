"""Times tuned to a run: kept where better, taken by themselves, and refused where they are bad."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import unstir
from unstir.cli import main
from unstir.flow import Heun, Multistep, sample
from unstir.flow.timesteps import Trial
from unstir.physics import parse
from unstir.run import Run
from unstir.tuning import FILE, TunedTimes, read_times, solver_name, steps_for, tune_run

TINY = {"width": 8, "depth": 1}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "moons"
    return unstir.fit("edm", "two-moons", steps=20, batch=64, out=out, network_options=TINY, threads=1)


@pytest.fixture
def run(trained: Run) -> Run:
    (trained.path / FILE).unlink(missing_ok=True)
    return trained


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["unstir", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def written(run: Run, **changes: object) -> None:
    """A file of the right form with `changes` in its one entry, or in what holds it."""
    entry = {
        "solver": "multistep",
        "times": [80.0, 3.0, 0.5, 0.01],
        "trained": 20,
        "usual_rms": 0.2,
        "rms": 0.1,
    }
    held = {"process": "edm", "tuned": [entry | {k: v for k, v in changes.items() if k in entry}]}
    text = json.dumps(held | {k: v for k, v in changes.items() if k not in entry})
    (run.path / FILE).write_text(text)


def test_tuning_prints_its_gain_and_keeps_what_is_better(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    usual = run.sample(8, steps=5)
    options = ("tune", str(run.path), "--evaluations", "5", "--priors", "16", "--rounds", "1")
    assert command(monkeypatch, *options) == 0
    text = capsys.readouterr().out
    (kept,) = read_times(run.path, run.process)
    assert kept.rms < kept.usual_rms
    assert f"{kept.usual_rms:.4f} with the usual times, {kept.rms:.4f} with tuned ones" in text
    assert "--steps 5 takes them" in text
    # The run takes them of itself where solver and count fit, and there alone.
    found = run.sample(8, steps=5)
    assert not torch.equal(found, usual)
    assert torch.equal(found, run.sample(8, solver=Multistep(), times=kept.times))
    x = sample(run.process, run.field, 8, run.info.model_shape, times=kept.times, label=run.labels(8))
    assert torch.equal(found, run.scaling.to_data(x))
    assert torch.equal(run.sample(8, steps=5, times="usual"), usual)
    other = "multistep:order=2"
    assert torch.equal(
        run.sample(8, solver=other, steps=5), run.sample(8, solver=other, steps=5, times="usual")
    )
    assert torch.equal(run.sample(8, steps=6), run.sample(8, steps=6, times="usual"))
    # Through the command line too; and once more, where nothing is better, nothing changes.
    assert (
        command(
            monkeypatch, "sample", str(run.path), "-n", "8", "--steps", "5", "--out", str(tmp_path / "s.npz")
        )
        == 0
    )
    assert torch.equal(unstir.data.load(str(tmp_path / "s.npz")).values, found)
    capsys.readouterr()
    before = (run.path / FILE).read_bytes()
    assert command(monkeypatch, *options[:-1], "0", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["kept"] is False
    assert report["previous"]["rms"] == pytest.approx(kept.rms)
    assert (run.path / FILE).read_bytes() == before


def test_worse_times_are_not_kept(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = [80.0, 79.0, 78.0, 77.0]
    monkeypatch.setattr("unstir.tuning.tune", lambda *_, **__: iter([Trial(1, 1, bad, 0.0)]))
    outcome = tune_run(run, 4, priors=8)
    assert not outcome.kept
    assert outcome.found.rms > outcome.found.usual_rms
    assert not (run.path / FILE).exists()


def test_counts_and_solvers_stand_side_by_side(run: Run) -> None:
    for evaluations, solver in ((4, None), (5, None), (7, "heun")):
        tune_run(run, evaluations, solver=solver, priors=8, rounds=0)
    kept = read_times(run.path, run.process)
    assert {(one.solver, len(one.times)) for one in kept} <= {("multistep", 4), ("multistep", 5), ("heun", 4)}
    assert len(kept) >= 2


def test_evaluations_buy_steps() -> None:
    assert steps_for(Multistep(), 10) == 10
    assert steps_for(Heun(), 10) == 5  # nine of them
    assert solver_name(Multistep(2, corrector=False), parse("edm")) == "multistep:order=2,corrector=no"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"times": [80.0, 3.0, 3.0, 0.01]}, "must fall"),
        ({"times": [80.0, 3.0, 0.5, 0.001]}, "t_min"),
        ({"times": [70.0, 3.0, 0.5, 0.01]}, "t_max"),
        ({"times": [80.0, float("nan"), 0.5, 0.01]}, "must fall"),
        ({"times": []}, "must fall"),
        ({"times": "80"}, "not what unstir tune writes"),
        ({"rms": float("inf")}, "not what unstir tune writes"),
        ({"solver": "magic"}, "magic"),
        ({"process": "vp"}, "is for process vp"),
        ({"tuned": 3}, "not what unstir tune writes"),
    ],
)
def test_a_bad_file_is_refused(
    run: Run, changes: dict[str, object], why: str, refused: Callable[..., str]
) -> None:
    written(run)
    assert read_times(run.path, run.process) == [
        TunedTimes("multistep", (80.0, 3.0, 0.5, 0.01), 20, 0.2, 0.1)
    ]
    written(run, **changes)
    assert why in refused(run.sample, 2, steps=4)
    assert len(run.sample(2, steps=4, times="usual")) == 2


def test_a_file_that_is_no_json_is_refused(run: Run, refused: Callable[..., str]) -> None:
    for content in (b"{", b"\xff\xfe", b"[]"):
        (run.path / FILE).write_bytes(content)
        assert FILE in refused(run.sample, 2, steps=4)


def test_refusals(run: Run, refused: Callable[..., str]) -> None:
    assert "times='best'" in refused(run.sample, 2, times="best")
    assert "steps=3" in refused(run.sample, 2, steps=3, times=[80.0, 1.0])
    assert "must fall" in refused(run.sample, 2, times=[1.0, 80.0])
    assert "solver=churn" in refused(tune_run, run, solver="churn")
    assert "solver=adaptive" in refused(tune_run, run, solver="adaptive")
    assert "evaluations=1" in refused(tune_run, run, 1)
    assert "priors=4" in refused(tune_run, run, priors=4)
    coins = dataclasses.replace(run, field=_Coins())
    assert "has no flow" in refused(tune_run, coins)


class _Coins:
    process = parse("coins")
