"""Training live: the error against the exact field falls, all is by the seed, and what is kept is bounded."""

from __future__ import annotations

import pytest
import torch

from unstir import physics
from unstir.errors import InputError
from unstir.lab.answer import Answer
from unstir.lab.context import Context
from unstir.lab.requests import parse
from unstir.lab.topics.train import Trained, Yardstick, keep, trainer_of

ASK = (
    '{"id": 1, "slot": "%s", "kind": "train", "process": "%s", "data": {"preset": "two-moons"}, '
    '"steps": 120, "width": 32, "depth": 2}'
)


def _train(context: Context, slot: str = "train", process: str = "edm") -> list[Answer]:
    return list(parse(ASK % (slot, process)).answer(context))


def test_the_field_comes_nearer_to_the_exact_one() -> None:
    context = Context()
    answers = _train(context)
    assert [answer.done for answer in answers] == [False] * (len(answers) - 1) + [True]
    assert answers[-1].scalars["step"] == 120
    first, last = answers[0].scalars["rms"], answers[-1].scalars["rms"]
    assert last < 0.9 * first
    losses = torch.cat([torch.as_tensor(answer.arrays["loss"]) for answer in answers])
    assert len(losses) == 120
    assert torch.as_tensor(answers[-1].arrays["samples"]).isfinite().all()
    kept = context.kept["neural:train"]
    assert isinstance(kept, Trained)
    assert (kept.made_for, kept.step) == ("edm", 120)
    path = (
        '{"id": 2, "slot": "main", "kind": "path", "data": {"preset": "two-moons"}, "process": "%s", '
        '"direction": "backward", "field": "neural:train", "n": 20, "frames": 6}'
    )
    (walked,) = parse(path % "edm").answer(context)
    assert torch.as_tensor(walked.arrays["states"]).shape == (6, 20, 2)
    with pytest.raises(InputError, match="was trained for edm"):
        list(parse(path % "vp").answer(context))


def test_the_exact_field_has_no_error() -> None:
    scene = Context().scene(parse(ASK % ("train", "edm")).data, "edm")  # type: ignore[attr-defined]
    yardstick = Yardstick(scene, 0)
    assert float(yardstick.errors(scene.exact).max()) < 1e-6
    doubled = Trained(scene.coarse, "edm", "", 0)
    assert float(yardstick.errors(doubled).max()) > 1e-3


def test_the_same_seed_trains_the_same_field() -> None:
    items = torch.randn(64, 2, generator=torch.Generator().manual_seed(0)) * 0.5
    losses = []
    for _ in range(2):
        torch.rand(3)  # whatever else was drawn
        losses.append([float(step.loss) for step in trainer_of(physics.poisson(D=8), items, 4, 16, 1, 7)])
    assert losses[0] == losses[1]
    assert losses[0] != [float(step.loss) for step in trainer_of(physics.poisson(D=8), items, 4, 16, 1, 8)]


def test_few_fields_are_kept() -> None:
    kept: dict[str, object] = {"other": 1}
    process = physics.edm()
    for k in range(7):
        keep(kept, f"neural:s{k}", Trained(lambda x, t, label: x, process.name, "", k))  # type: ignore[arg-type]
    assert [name for name in kept if name.startswith("neural:")] == [f"neural:s{k}" for k in (3, 4, 5, 6)]
    assert "other" in kept


def test_others_are_refused() -> None:
    with pytest.raises(InputError, match="take points and a linear process"):
        _train(Context(), process="kac")
