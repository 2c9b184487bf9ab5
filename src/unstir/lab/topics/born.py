"""Samples of a trained run, being born from noise step by step. `{"kind": "born"}`.

Each answer is one step of the solver: the states, and beside them what the network guesses the data to be.
The last brings the samples, and for each the nearest of the images that the run was trained on, with the
distance as a share of that of held-out images: 1 as new as they, 0 a copy.

With a task the samples are conditioned on what is seen of one held-out image (`restore_steps`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import torch
from pydantic import Field as Bounded
from torch import Tensor

from unstir.conditions import parse_task
from unstir.errors import InputError
from unstir.flow import Progress
from unstir.lab.answer import Answer
from unstir.lab.context import Context
from unstir.lab.opened import Opened
from unstir.lab.requests import Request
from unstir.measure import nearest
from unstir.physics import LinearProcess
from unstir.restore import restore_steps

_FULL = 255.0
_ANSWERS = 80  # at most

# No other tasks: a mask would be a file of the server's.
TASKS = {
    "hole": "inpaint:hole=0.5",
    "lost": "inpaint:hole=0,share=0.7",
    "small": "superres:factor=2",
    "blurred": "deblur",
    "noisy": "denoise:noise=0.4",
}


class Born(Request):
    """Samples a run.

    Attributes:
        run: its name in the lab's folder.
        n: samples; of images at most as many as the lab shows at once.
        solver: of the run's process; its own by default.
        steps: of that solver.
        label: a class's name, or `none`; by default they are drawn with their shares.
        guidance: towards the class; 1 for none.
        task: what is seen of a held-out image, one of `TASKS`.
        item: which of the held-out images that is.
        seed: of the samples.
    """

    kind: Literal["born"]
    run: Annotated[str, Bounded(min_length=1, max_length=200)]
    n: Annotated[int, Bounded(ge=1, le=2000)] = 16
    solver: Annotated[str, Bounded(max_length=100)] | None = None
    steps: Annotated[int, Bounded(ge=1, le=256)] | None = None
    label: Annotated[str, Bounded(max_length=100)] | None = None
    guidance: Annotated[float, Bounded(ge=0, le=20)] = 1.0
    task: Literal["hole", "lost", "small", "blurred", "noisy"] | None = None
    item: Annotated[int, Bounded(ge=0, le=10_000)] = 0
    seed: Annotated[int, Bounded(ge=0, le=2**31 - 1)] = 0

    def answer(self, context: Context) -> Iterator[Answer]:
        opened = context.lab.opened.get(context.lab.runs, self.run)
        n = min(self.n, context.limits.images) if opened.images else self.n
        first: dict[str, Tensor] = {}
        if self.task is None:
            walk = self._free(opened, n)
        else:
            walk, first = self._seen(opened, n, self.task)
        last: Tensor | None = None
        for progress in walk:
            context.check()
            last = progress.step.state
            every = max(1, progress.steps // _ANSWERS)
            if progress.step.index % every == 0:
                yield Answer(self._told(progress), {**self._shown(opened, progress), **first}, done=False)
                first = {}
        if last is None:
            raise RuntimeError("walk: took no step")
        yield self._end(opened, last)

    def _free(self, opened: Opened, n: int) -> Iterator[Progress]:
        guided = None if self.guidance == 1 else self.guidance
        return opened.run.sample_steps(
            n,
            solver=self.solver,
            steps=self.steps,
            seed=self.seed,
            batch=n,
            label=self.label,
            guidance=guided,
        )

    def _seen(self, opened: Opened, n: int, name: str) -> tuple[Iterator[Progress], dict[str, Tensor]]:
        """The walk given what is seen of an image, and the image with what is seen of it, to be shown."""
        run = opened.run
        _, heldout = opened.parts
        if not len(heldout):
            raise InputError(f"run {self.run}: held no images out; train with holdout above 0")
        if self.guidance != 1:
            raise InputError(
                f"guidance={self.guidance:g}: is not for samples with a task; leave one of them out"
            )
        clean = heldout.values[self.item % len(heldout)][None]
        task = parse_task(TASKS[name])
        measurement = task.measurement(run.info.model_shape)
        generator = torch.Generator().manual_seed(self.seed)
        seen = measurement(clean.float() / _FULL)
        seen = seen + measurement.sigma * torch.randn(seen.shape, generator=generator)
        walk = restore_steps(
            run,
            seen,
            measurement,
            samples=n,
            label=self.label,
            solver=self.solver,
            steps=self.steps,
            seed=self.seed,
            batch=n,
        )
        shown = (255 * task.shown(seen, run.info.model_shape)).round().clamp(0, 255).to(torch.uint8)
        return walk, {"given": flat(shown), "clean": flat(clean)}

    def _told(self, progress: Progress) -> dict[str, Any]:
        return {
            "run": self.run,
            "step": progress.step.index,
            "steps": progress.steps,
            "time": progress.step.time,
        }

    def _shown(self, opened: Opened, progress: Progress) -> dict[str, Tensor]:
        """The states, and the guesses of the data where the field answers with such."""
        process, step = opened.run.process, progress.step
        state = process.observed(step.state)
        if not opened.images:
            return {"states": state.float()}
        shown = {"images": opened.pixels(state)}
        if step.prediction is not None and isinstance(process, LinearProcess):
            shown["guess"] = opened.pixels(step.prediction)
        return shown

    def _end(self, opened: Opened, last: Tensor) -> Answer:
        run = opened.run
        state = run.process.observed(last)
        if not bool(state.isfinite().all()):
            raise InputError(f"run {self.run}: its field gives values that are not finite; take other steps")
        told: dict[str, Any] = {"run": self.run, "unknown": None, "median": None}
        if not opened.images:
            return Answer(told, {"states": state.float()})
        samples = run.scaling.to_data(state)
        arrays = {"images": flat(samples)}
        try:
            train, _ = opened.parts
            index, distance = nearest(samples, train.values)
        except InputError as error:
            return Answer(told | {"unknown": str(error)}, arrays)
        arrays["nearest"] = flat(train.values[index])
        if opened.yardstick is not None:
            arrays["distance"] = distance / opened.yardstick
            told["median"] = float(distance.median()) / opened.yardstick
        return Answer(told, arrays)


def flat(images: Tensor) -> Tensor:
    """Images uint8 `(n, channels, height, width)` as they travel: `(n, height, width)`, colours last."""
    return images[:, 0] if images.shape[1] == 1 else images.permute(0, 2, 3, 1)
