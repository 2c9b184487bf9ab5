"""Distillation: a student of a teacher's trajectories, in a run folder like every other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import unstir
from unstir.cli import main
from unstir.errors import InputError
from unstir.fields import ConsistencyField, ModalField, NeuralField
from unstir.flow import Multistep
from unstir.physics import LinearProcess, parse
from unstir.run import Run
from unstir.train import make_config
from unstir.train.distill import Trajectories, student_config, student_path
from unstir.train.session import resume, save, start, training
from unstir.tuning import tune_run


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "teacher"
    options = {"width": 8, "layers": 1, "middle": 1}
    return unstir.fit(
        "poisson:D=128", "digits", steps=3, batch=32, out=out, network_options=options, threads=1, sketch=4
    )


class Constant(nn.Module):
    """A network that answers one number."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None) -> Tensor:
        return self.value.expand_as(x)


@pytest.mark.parametrize("name", ["vp", "poisson:D=1"])
def test_the_true_map_of_a_teacher_has_no_loss(name: str) -> None:
    process = parse(name)
    assert isinstance(process, LinearProcess)
    lesson = Trajectories(NeuralField(Constant(0.0), process), process)
    like = torch.zeros(120, 3)
    # The teacher's flow is that of its skip path, which a student's has for its own.
    losses = [
        float(
            lesson.loss(
                ConsistencyField(NeuralField(Constant(value), process)), like, seeded(), None
            ).detach()
        )
        for value in (0.0, 0.3, 1.0)
    ]
    assert losses[0] < 0.15 * losses[1]
    assert losses[1] < losses[2]


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_examples_are_the_teachers_trajectories(teacher: Run) -> None:
    process = teacher.process
    assert isinstance(process, LinearProcess)
    lesson = Trajectories(teacher.field, process)
    like, label = torch.zeros(1, *teacher.info.model_shape), torch.tensor([3, 1, 4, 1])
    x, t, end, told = lesson.draw(4, like, seeded(), label)
    assert told is not None
    assert told.tolist() == label.tolist() * 6
    usual = Multistep().times(process, 10)
    assert t[::4].tolist() == pytest.approx(usual[:6])
    prior = process.prior(4, like.shape[1:], seeded())
    torch.testing.assert_close(x[:4], prior)
    ends = unstir.flow.trajectory(
        process,
        teacher.field,
        prior,
        solver=Multistep(),
        times=usual,
        label=label,
    )
    *_, last = ends
    torch.testing.assert_close(end, last.state.repeat(6, 1, 1, 1))


@pytest.mark.parametrize("name", ["vp", "blurring", "heat"])
def test_trajectories_end_in_the_teachers_own_samples_of_ten_evaluations(name: str) -> None:
    items = torch.randn(60, 1, 4, 4, generator=seeded())
    process = parse(name).prepared(items)
    assert isinstance(process, LinearProcess)
    kind = NeuralField if process.damping is None else ModalField
    field = kind(Constant(0.3), process, shape=(1, 4, 4)).eval()
    _, _, end, _ = Trajectories(field, process).draw(5, items, seeded(), None)
    prior = process.prior(5, (1, 4, 4), seeded())
    with torch.no_grad():
        *_, last = unstir.flow.trajectory(process, field, prior, steps=10)
    torch.testing.assert_close(end[:5], last.state)


def test_a_student_begins_as_its_teacher_and_resumes_as_if_it_had_never_stopped(
    teacher: Run, tmp_path: Path
) -> None:
    process = teacher.process
    assert isinstance(process, LinearProcess)
    config = student_config(teacher.path, steps=4, device="cpu", threads=1)
    whole = start(config, tmp_path / "whole")
    assert isinstance(whole.trainer.field, ConsistencyField)
    begun = whole.trainer.field.denoiser.network.state_dict()
    for name, value in teacher.field.network.state_dict().items():
        torch.testing.assert_close(begun[name], value)
    for _ in training(whole):
        pass
    parted = start(config, tmp_path / "parted")
    walk = iter(parted.trainer)
    next(walk), next(walk)
    save(parted)
    for _ in training(resume(tmp_path / "parted")):
        pass
    a, b = (unstir.load(tmp_path / name, device="cpu") for name in ("whole", "parted"))
    assert (a.step, b.step) == (4, 4)
    for name, value in a.field.state_dict().items():
        assert torch.equal(value, b.field.state_dict()[name]), name
    assert a.config.teacher == str(teacher.path.resolve())
    assert (a.config.process, a.classes) == (teacher.config.process, teacher.classes)
    images = [a.sample(3, steps=steps, label="all") for steps in (1, 2, 4)]
    assert not torch.equal(images[0], images[1])
    with pytest.raises(
        InputError, match="tune: is not for a distilled run; give the run that it was distilled from"
    ):
        tune_run(a)
    with pytest.raises(InputError, match="likelihood: is not for a distilled run"):
        unstir.log_likelihood(process, a.field, torch.zeros(1, *a.info.model_shape))
    with pytest.raises(InputError, match="is a student itself; give the run that it was distilled from"):
        student_config(tmp_path / "whole", steps=1)


def test_by_itself_it_learns_of_the_data(tmp_path: Path) -> None:
    run = unstir.fit(
        "poisson:D=8", "two-moons", steps=3, batch=32, objective="consistency", out=tmp_path / "run",
        network_options={"width": 8, "depth": 1}, threads=1,
    )  # fmt: skip
    assert isinstance(run.field, ConsistencyField)
    assert run.sample(5, steps=2).isfinite().all()


def test_through_the_command_line(
    teacher: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["unstir", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return ended.value.code

    out = tmp_path / "student"
    assert (
        command("distill", str(teacher.path), "--steps", "1", "--threads", "1", "--out", str(out), "--json")
        == 0
    )
    report = json.loads(capsys.readouterr().out)
    assert (report["run"], report["step"]) == (str(out), 1)
    assert command("sample", str(out), "-n", "3", "--steps", "9", "--out", str(tmp_path / "x.npz")) == 2
    assert "steps=9: a consistency field takes 1 to 6 steps" in capsys.readouterr().err.replace("\n", " ")
    assert command("distill", str(out), "--steps", "1") == 2
    assert "is a student itself" in capsys.readouterr().err.replace("\n", " ")


def test_what_cannot_be_distilled_is_refused(teacher: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no run folder"):
        student_config(tmp_path)
    with pytest.raises(InputError, match="objective=consistency: process kac has none"):
        unstir.fit("kac", "two-moons", steps=1, objective="consistency", out=tmp_path / "kac")
    with pytest.raises(InputError, match="is for objective consistency; give both, or none"):
        make_config({"data": "digits", "steps": 1, "teacher": str(teacher.path)})
    with pytest.raises(InputError, match="has process poisson:D=128, the student vp"):
        start(student_config(teacher.path, steps=1, process="vp"), tmp_path / "vp")
    with pytest.raises(InputError, match="was trained on other data"):
        start(student_config(teacher.path, steps=1, holdout=0.3), tmp_path / "other")
    assert student_path(teacher.path) == teacher.path.resolve().parent / "teacher-distilled"
