"""The path of particles, or of images, from data to prior or back: `{"kind": "path"}`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import torch
from pydantic import Field as Bounded
from torch import Tensor

from unstir.errors import InputError
from unstir.fields.field import Field
from unstir.lab.answer import Answer
from unstir.lab.context import Context
from unstir.lab.points import LIMITS, DataSpec
from unstir.lab.requests import Request
from unstir.lab.scenes import LabScene
from unstir.lab.walks import Ask, Walk

COARSE = 400  # particles of the first stage
_COARSE_IMAGES = 16


class Path(Request):
    """Frames of a process on data.

    Attributes:
        data: what it starts from, or goes back to.
        process: with parameters, such as `poisson:D=1`.
        n: particles or images.
        frames: at most; a solver with steps of its own may have fewer.
        seed: of all that is random.
        direction: forward from data to prior, or backward.
        field: `exact`, `local` for images, or `neural:` and the name of a network in training.
        solver: of the way back, such as `heun`; by default the process's own, a step a frame.
        steps: of that solver.
    """

    kind: Literal["path"]
    data: DataSpec
    process: Annotated[str, Bounded(min_length=1, max_length=200)]
    n: Annotated[int, Bounded(ge=1, le=LIMITS.particles)] = 3000
    frames: Annotated[int, Bounded(ge=2, le=LIMITS.frames)] = 48
    seed: Annotated[int, Bounded(ge=0, le=2**31 - 1)] = 0
    direction: Literal["forward", "backward"] = "forward"
    field: Annotated[str, Bounded(pattern=r"^(exact|local|neural:[a-z][a-z0-9_-]{0,31})$")] = "exact"
    solver: Annotated[str, Bounded(max_length=100)] | None = None
    steps: Annotated[int, Bounded(ge=1, le=500)] | None = None

    @property
    def lasting(self) -> bool:
        return not self.field.startswith("neural:")

    def answer(self, context: Context) -> Iterator[Answer]:
        scene = context.scene(self.data, self.process)
        images = scene.data.images
        few = _COARSE_IMAGES if images else COARSE
        total = min(self.n, context.limits.images) if images else self.n
        exact = self.field == "exact"
        if total > few and (exact or self.direction == "forward"):
            frames = min(self.frames, scene.family.frames)
            yield answer_of(scene, self._walk(scene, context, few, frames, scene.coarse), done=False)
            context.check()
        field = scene.exact if self.direction == "forward" else field_of(self.field, scene, context)
        yield answer_of(scene, self._walk(scene, context, total, self.frames, field), done=True)

    def _walk(self, scene: LabScene, context: Context, n: int, frames: int, field: Field) -> Walk:
        ask = Ask(n, frames, self.seed, field, self.solver, self.steps, context.check)
        return getattr(scene.family, self.direction)(scene, ask)  # type: ignore[no-any-return]


def field_of(name: str, scene: LabScene, context: Context) -> Field:
    """The field that a request names.

    Raises:
        InputError: a local field where there is none, or a network that nobody has trained here.
    """
    if name == "exact":
        return scene.exact
    if name == "local":
        return scene.local
    kept: Any = context.kept.get(name)
    if kept is None:
        raise InputError(f"field={name}: no network of this name is in training here; start one first")
    made_for = getattr(kept, "made_for", scene.bare.name)
    if made_for != scene.bare.name:
        raise InputError(f"field={name}: was trained for {made_for}; train one for {scene.bare.name}")
    field: Field = kept
    return field


def answer_of(scene: LabScene, walk: Walk, *, done: bool) -> Answer:
    """A walk as it travels."""
    scalars = {
        "process": scene.bare.name,
        "family": scene.family.name,
        "evaluations": walk.evaluations,
        "particles": walk.kept,
        "images": scene.data.images,
    }
    times = torch.tensor(walk.times)
    if scene.data.images:
        return Answer(scalars, {"times": times, "images": pixels(scene, walk.states)}, done)
    if scene.data.scaling is None:
        raise TypeError("scaling: points have one")
    scalars |= {"shift": list(scene.data.scaling.shift), "scale": scene.data.scaling.scale[0]}
    if not bool(walk.states.isfinite().any()):
        raise InputError(f"process {scene.bare.name}: values are not finite; take more or smaller steps")
    view = torch.tensor([scene.half(time) for time in walk.times])
    arrays = {"times": times, "states": walk.states.float(), "view": view, "items": scene.items.float()}
    return Answer(scalars, arrays, done)


def pixels(scene: LabScene, states: Tensor) -> Tensor:
    """States of images as bytes, `(frames, n, height, width)`; where there is colour with `3` at the end."""
    from unstir.picture.looks import MosaicLook, look_of

    look = look_of(scene.data.dataset, scene.coder)
    if not isinstance(look, MosaicLook):
        raise TypeError("data: are no images")
    colours = torch.stack([look.colours(frame) for frame in states])
    shown = (colours * 255).round().to(torch.uint8)
    grey = bool((shown[..., :1] == shown).all())
    return shown[..., 0] if grey else shown
