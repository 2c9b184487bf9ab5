"""Consistency distillation: a student learns where its teacher's trajectories end.

Each step draws fresh priors, walks the teacher from each to its end, and all states on the way are examples:

    f(x_t, t) = x_0      for (x_t, x_0) on one trajectory of the teacher's

This is the consistency condition f(x_t, t) = f(x_s, s) (Song 2023) with s at the trajectory's end, where f is
known: nothing is learned from the student's own guesses, which after a few hundred steps are no help yet. One
draw of the noise makes a whole trajectory, W included. No data are needed, and no example comes twice.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.fields import Field, LearnedField
from unstir.fields.augmented import telling
from unstir.fields.consistency import ConsistencyField, distance
from unstir.flow.consistency import LEVELS, clock
from unstir.flow.multistep import Multistep
from unstir.flow.sampling import trajectory
from unstir.physics import LinearProcess
from unstir.train.checkpoint import load_checkpoint
from unstir.train.config import TrainConfig, make_config
from unstir.train.folder import ARRAY, DataInfo, read_info, read_process, read_run_config, reopened

_CALIBRATION = 128  # trajectories that F's scale is measured on


@dataclass(frozen=True)
class Trajectories:
    """A teacher's trajectories as a lesson.

    Attributes:
        teacher: its field, in evaluation mode and without gradients.
        process: of both.
    """

    teacher: Field
    process: LinearProcess

    def __deepcopy__(self, memo: dict[int, Any]) -> Trajectories:
        return self  # an averaged field needs no teacher of its own

    def loss(
        self, field: ConsistencyField, data: Tensor, generator: torch.Generator, label: Tensor | None
    ) -> Tensor:
        """The mean distance from the ends of as many examples as `data` has items.

        They are the teacher's own, never augmented, and the network is told so.
        """
        count = max(1, len(data) // LEVELS)
        label = None if label is None else label[:count]
        x, t, end, label = self.draw(count, data, generator, label)
        with telling(field, None):
            return distance(field.error(end, x, t, label)).mean()

    @torch.no_grad()
    def draw(
        self, count: int, like: Tensor, generator: torch.Generator, label: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """States of `count` trajectories, their times, ends and labels: `(LEVELS × count, …)`.

        Args:
            count: how many trajectories.
            like: items `(n, *shape)` of the data's shape and device.
            generator: of the priors.
            label: class numbers `(count,)`, or None.
        """
        x = self.process.prior(count, like.shape[1:], generator, like.dtype).to(like.device)
        walk = list(
            trajectory(
                self.process, self.teacher, x, solver=Multistep(), times=clock(self.process), label=label
            )
        )
        places = walk[:LEVELS]
        times = torch.tensor([step.time for step in places], dtype=torch.float32, device=like.device)
        return (
            torch.cat([step.state for step in places]),
            times.repeat_interleave(count),
            walk[-1].state.repeat(LEVELS, *(1,) * (like.ndim - 1)),
            None if label is None else label.repeat(LEVELS),
        )


def teach(
    field: LearnedField[Any],
    config: TrainConfig,
    info: DataInfo,
    like: Tensor,
    labels: Tensor | None,
    *,
    begin: bool,
) -> None:
    """Give a student its teacher, the run that `config.teacher` names.

    Args:
        field: the student.
        config: of its run.
        info: of its data.
        like: an item in model units on the field's device, `(1, *shape)`.
        labels: class numbers of the training items, or None.
        begin: whether it starts from the teacher's weights; else it has its own.

    Raises:
        InputError: no such run, or one of another process, network or data.
    """
    path = Path(str(config.teacher))
    theirs, their_info = read_run_config(path), read_info(path)
    for name in ("process", "network", "network_options", "sketch", "axes", "floors"):
        if getattr(theirs, name) != getattr(config, name):
            raise InputError(
                f"teacher {path}: has {name} {getattr(theirs, name)}, the student {getattr(config, name)}; "
                "leave it out, the teacher's is taken"
            )
    if their_info != info:
        raise InputError(f"teacher {path}: was trained on other data; give those, or leave data out")
    teacher = reopened(path, theirs, their_info, read_process(path, theirs, their_info), None)
    if not isinstance(field, ConsistencyField) or isinstance(teacher, ConsistencyField):
        raise InputError(f"teacher {path}: is a student itself; give the run that it was distilled from")
    wanted = teacher.state_dict()
    kept = load_checkpoint(path, {"ema": {**wanted, "n_averaged": torch.zeros(())}})
    teacher.load_state_dict({name: kept.tensors["ema"][name] for name in wanted})
    teacher = teacher.to(like.device).eval().requires_grad_(requires_grad=False)
    lesson = Trajectories(teacher, field.process)
    if begin:
        field.denoiser.load_state_dict(teacher.state_dict())
        generator = torch.Generator().manual_seed(config.seed)
        label = None
        if labels is not None:
            chosen = torch.randint(len(labels), (_CALIBRATION,), generator=generator)
            label = labels[chosen.to(labels.device)].to(like.device)
        x, t, end, label = lesson.draw(_CALIBRATION, like, generator, label)
        field.measure(x, t, end, label)
    field.lesson = lesson


def student_config(teacher: Path, **given: Any) -> TrainConfig:  # noqa: ANN401
    """The configuration of a student: its teacher's, but for the objective, the budget and what is given.

    Args:
        teacher: a run folder.
        given: fields of `TrainConfig`; one minute without a budget.

    Raises:
        InputError: no run there, a student itself, or one of a network or of data given in Python.
    """
    config = read_run_config(teacher)
    path = str(teacher.expanduser().resolve())
    for name, value, why in (
        ("objective", "consistency", "is a student itself; give the run that it was distilled from"),
        ("network", "custom", "has a network given in Python, which its folder does not hold"),
        ("data", ARRAY, "was trained on an array in Python; save it, and train on the file"),
    ):
        if getattr(config, name) == value:
            raise InputError(f"teacher {teacher}: {why}")
    values = config.model_dump() | {"minutes": None, "steps": None, "threads": None, "track": None}
    values |= {"objective": "consistency", "teacher": path}
    if not {"minutes", "steps"} & given.keys():
        values["minutes"] = 1.0
    return make_config(values | given)


def student_path(teacher: Path) -> Path:
    """A folder beside the teacher's that is not there yet."""
    path = teacher.expanduser().resolve()
    names = itertools.chain(
        [f"{path.name}-distilled"], (f"{path.name}-distilled-{i}" for i in itertools.count(2))
    )
    return next(path.parent / name for name in names if not (path.parent / name).exists())
