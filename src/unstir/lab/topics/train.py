"""A small network that learns the field of one's own points, live. `{"kind": "train"}`.

The library's own: `ResidualMLP` in the process's learned field, with its objective, Adam and the averaged
weights, by `train.loop.Trainer`. Now and then an answer says how far it is:

    loss      the batch's mean loss of each step since the last answer
    error     √E‖D_θ(x_t, t) − D(x_t, t)‖² over draws of x_t at some times, beside the data's deviation;
              D is the exact field of the same points, and D_θ that of the averaged weights
    samples   by the averaged field and the process's own solver

The averaged field is left in `context.kept` under `neural:<slot>`, where paths and fields find it.
"""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import Field as Bounded
from torch import Tensor

from unstir import flow
from unstir.errors import InputError
from unstir.fields import LearnedField, build_network, field_class
from unstir.fields.field import Field, Slice
from unstir.lab.answer import Answer
from unstir.lab.context import Context
from unstir.lab.points import DataSpec
from unstir.lab.requests import Request
from unstir.lab.scenes import LabScene
from unstir.physics import LinearProcess
from unstir.train.config import make_config
from unstir.train.folder import ARRAY
from unstir.train.loop import Trainer

_LEVELS, _DRAWS = 12, 250  # times, and draws at each, at which the field is compared
_SAMPLES, _WALK = 300, 12  # samples of each answer, and steps to make them
_ANSWERS, _LEAST = 40, 20  # answers of one training, and steps between two of them
_BATCH = 256
_MOST_KEPT = 4
_KEY = "neural:"


@dataclass(frozen=True)
class Trained:
    """A field that was trained here, which answers as any other.

    Attributes:
        field: of the averaged weights.
        made_for: the process whose field it is.
        data: of which points.
        step: steps trained.
    """

    field: Field
    made_for: str
    data: str
    step: int

    def __call__(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """As the field."""
        return self.field(x.float(), t.float(), label).to(x.dtype)

    def at(self, t: float) -> Slice:
        """As the field."""
        one = self.field.at(t)
        return lambda x, label: one(x.float(), label).to(x.dtype)


class Train(Request):
    """Trains a network on points.

    Attributes:
        data: points.
        process: any linear process in the plane.
        steps: of the optimiser.
        width: of the network.
        depth: blocks of it.
        seed: of its weights and of everything drawn.
    """

    kind: Literal["train"]
    data: DataSpec
    process: Annotated[str, Bounded(min_length=1, max_length=200)]
    steps: Annotated[int, Bounded(ge=20, le=20_000)] = 2000
    width: Annotated[int, Bounded(ge=8, le=256)] = 64
    depth: Annotated[int, Bounded(ge=1, le=6)] = 3
    seed: Annotated[int, Bounded(ge=0, le=2**31 - 1)] = 0

    def answer(self, context: Context) -> Iterator[Answer]:
        scene = context.scene(self.data, self.process)
        process = scene.process
        if scene.data.images or not isinstance(process, LinearProcess):
            raise InputError(
                f"process {self.process}: take points and a linear process, such as poisson:D=1 or edm"
            )
        trainer = trainer_of(process, scene.items.float(), self.steps, self.width, self.depth, self.seed)
        yardstick = Yardstick(scene, self.seed)
        parameters = sum(p.numel() for p in trainer.field.parameters())
        fixed = {"process": process.name, "steps": self.steps, "parameters": parameters}
        every, losses = max(_LEAST, self.steps // _ANSWERS), list[float]()
        yield self._stage(context, scene, trainer, yardstick, fixed, losses)
        for step in trainer:
            losses.append(float(step.loss))
            context.check()
            if step.index % every and step.index < self.steps:
                continue
            yield self._stage(
                context, scene, trainer, yardstick, fixed | {"seconds_trained": step.seconds}, losses
            )
            losses = []

    def _stage(
        self,
        context: Context,
        scene: LabScene,
        trainer: Trainer,
        yardstick: Yardstick,
        fixed: dict[str, Any],
        losses: list[float],
    ) -> Answer:
        field = Trained(averaged(trainer), scene.bare.name, self.data.key, trainer.step)
        keep(context.kept, _KEY + self.slot, field)
        arrays = {
            "loss": torch.tensor(losses),
            "levels": yardstick.levels,
            "error": yardstick.errors(field),
            "samples": samples(scene, field, self.seed),
        }
        if trainer.step == 0:
            arrays["items"] = scene.items
        size = math.sqrt(float(arrays["error"].square().mean()))
        return Answer(fixed | {"step": trainer.step, "rms": size}, arrays, trainer.step >= self.steps)


class Yardstick:
    """Where the learned field is compared with the exact one, and the exact one's answers.

    Attributes:
        times: from data to prior, where noise comes up to the data and over them.
        levels: B/A there, `(times,)`.
    """

    def __init__(self, scene: LabScene, seed: int) -> None:
        process = scene.process
        ratios = process.scale * torch.logspace(math.log10(0.03), math.log10(5), _LEVELS, dtype=torch.float64)
        times = process.time_at(ratios)
        self.times: list[float] = times.tolist()
        self.levels = process.progress(times)
        generator = torch.Generator().manual_seed(seed + 1)
        first = scene.items[torch.randint(len(scene.items), (_DRAWS,), generator=generator)]
        self._states = [process.perturb(first, time.expand(_DRAWS), generator) for time in times]
        self._exact = [scene.exact.at(t)(x, None) for t, x in zip(self.times, self._states, strict=True)]
        deviation = float(scene.items.double().var(0, correction=0).mean().sqrt())
        self._unit = deviation if deviation > 1e-6 else 1.0

    @torch.no_grad()
    def errors(self, field: Field) -> Tensor:
        """Root mean square over draws and coordinates, in deviations of the data, `(times,)`."""
        each = [
            (field.at(t)(x, None) - D).square().mean().sqrt()
            for t, x, D in zip(self.times, self._states, self._exact, strict=True)
        ]
        return torch.stack(each) / self._unit


def trainer_of(
    process: LinearProcess, items: Tensor, steps: int, width: int, depth: int, seed: int
) -> Trainer:
    """A trainer of a small network for points `(n, 2)` in model units."""
    kind = field_class(process)
    shape = tuple(items.shape[1:])
    given, wanted = kind.sizes(process, shape)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = build_network("mlp", given, {"width": width, "depth": depth}, wanted)
    field: LearnedField[Any] = kind(network, process, shape=shape)
    field.prepare(items)
    config = make_config(
        {"data": ARRAY, "process": "edm", "steps": steps, "batch": _BATCH, "seed": seed, "network": "mlp"}
    )
    field.levels = (config.noise_mean, config.noise_std)
    return Trainer(config, field, items, bfloat16=False)


def averaged(trainer: Trainer) -> LearnedField[Any]:
    """The field of the averaged weights as they are now."""
    module: Any = trainer.average.module if trainer.step else trainer.field
    field: LearnedField[Any] = copy.deepcopy(module)
    return field.eval().requires_grad_(requires_grad=False)


def samples(scene: LabScene, field: Field, seed: int) -> Tensor:
    """Samples `(n, 2)` in model units, of the same first states whatever the field."""
    process = scene.process
    return flow.sample(process, field, _SAMPLES, tuple(scene.items.shape[1:]), steps=_WALK, seed=seed)


def keep(kept: dict[str, Any], name: str, field: Trained) -> None:
    """Put a field into a visitor's keeping, the oldest making room."""
    kept.pop(name, None)
    kept[name] = field
    mine = OrderedDict((key, value) for key, value in kept.items() if key.startswith(_KEY))
    for old in list(mine)[:-_MOST_KEPT]:
        del kept[old]
