"""The Python that makes what the page shows. `{"kind": "python"}`, with the page's state."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict
from pydantic import Field as Bounded

from unstir.errors import InputError
from unstir.lab.answer import Answer
from unstir.lab.code import FLOWN
from unstir.lab.context import Context
from unstir.lab.points import LIMITS, DataSpec
from unstir.lab.requests import Request
from unstir.lab.scenes import LabScene

FRAMES = 48
_MOST_IMAGES = 16
_WIDE = 88

_HEAD = '''\
"""{title}: what unstir lab shows, made with the library itself."""

import torch
from matplotlib.figure import Figure

from unstir import {modules}
from unstir.lab.families import family_of
{imports}
n, seed = {n}, {seed}
'''

_PART = """\

# {name}
process = {process}
field = {field}
times = family_of(process).clock(process, {frames})

{forward}
{backward}
shown += [("{name}", forward), ("{name}, backward", backward)]
"""

_POINTS_DRAWN = """\

# What is seen at the share `at` of the way from data to prior.
at = {t:g}
figure = Figure(figsize=(4 * len(shown), 4))
for place, (title, states) in enumerate(shown):
    way = 1 - at if "backward" in title else at
    points = states[round(way * (len(states) - 1))]
    axes = figure.add_subplot(1, len(shown), place + 1, aspect="equal", title=title)
    size = max(1.9 * float(points.abs().quantile(0.8)), 0.25)
    axes.set(xlim=(-size, size), ylim=(-size, size), xticks=[], yticks=[])
    axes.scatter(*points.T.numpy(), s=2)
figure.savefig("lab.png", dpi=150)
"""

_IMAGES_DRAWN = """\

# What is seen at the share `at` of the way from data to prior.
at = {t:g}
figure = Figure(figsize=(4 * len(shown), 4))
for place, (title, states) in enumerate(shown):
    way = 1 - at if "backward" in title else at
    images = states[round(way * (len(states) - 1)), :16, 0]
    rows = [torch.cat(list(images[i : i + 4]), 1) for i in range(0, len(images) // 4 * 4, 4)]
    axes = figure.add_subplot(1, len(shown), place + 1, title=title, xticks=[], yticks=[])
    axes.imshow(torch.cat(rows or list(images[:1])).numpy(), cmap="gray")
figure.savefig("lab.png", dpi=150)
"""


class State(BaseModel):
    """Of the page's state, what a script needs."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, allow_inf_nan=False)

    data: DataSpec
    process: Annotated[str, Bounded(min_length=1, max_length=200)]
    compare: Annotated[str, Bounded(max_length=200)] = ""
    field: Annotated[str, Bounded(max_length=60)] = "exact"
    t: Annotated[float, Bounded(ge=0, le=1)] = 0.0
    n: Annotated[int, Bounded(ge=1, le=LIMITS.particles)] = 3000
    seed: Annotated[int, Bounded(ge=0, le=2**31)] = 0
    solver: Annotated[str, Bounded(max_length=100)] = ""
    steps: Annotated[int, Bounded(ge=0, le=500)] = 0


class Python(Request):
    """Asks for a script."""

    kind: Literal["python"]
    state: State

    def answer(self, context: Context) -> Iterator[Answer]:
        yield Answer({"code": script(self.state, context)})


def script(state: State, context: Context) -> str:
    """A script that stands for itself.

    Raises:
        InputError: a field that no script makes, or a process or data that do not go together.
    """
    if state.field not in ("exact", "local"):
        raise InputError("field: a network in training has no script; choose the exact field")
    names = [state.process, *([state.compare] if state.compare else [])]
    scenes = [context.scene(state.data, name) for name in names]
    images = scenes[0].data.images
    count = min(state.n, _MOST_IMAGES) if images else state.n
    parts = [
        _part(scene, state if i == 0 else state.model_copy(update={"solver": "", "steps": 0}))
        for i, scene in enumerate(scenes)
    ]
    codes = [scene.family.code for scene in scenes]
    imports = "".join(dict.fromkeys(code.imports for code in codes))
    if state.data.form == "word":
        imports += "from unstir.lab.points import DataSpec\n"
    used = "\n".join(parts) + _data(state.data, scenes[0])
    modules = ", ".join(name for name in ("data", "fields", "flow", "physics") if f"{name}." in used)
    title = f"{' and '.join(scene.bare.name for scene in scenes)} on {state.data.form}"
    head = _HEAD.format(title=title, modules=modules, imports=imports, n=count, seed=state.seed)
    drawn = (_IMAGES_DRAWN if images else _POINTS_DRAWN).format(t=state.t)
    return head + _data(state.data, scenes[0]) + "shown = []\n" + "".join(parts) + drawn


def _part(scene: LabScene, state: State) -> str:
    """One process."""
    from unstir import flow

    family, code, process = scene.family, scene.family.code, scene.process
    field = "fields.LocalField(process, items)" if state.field == "local" else code.field
    text = state.solver or family.solver
    merge, way, walker = "", "", "flow.default_solver(process)"
    if code.backward is FLOWN:
        solver = flow.parse_solver(text, process) if text else flow.default_solver(process)
        count = state.steps or solver.usual_steps(process)
        own = bool(state.solver or state.steps)
        last = solver.times(process, count)[-1] if own else family.clock(process, FRAMES)[family.singular]
        short = f"[:-{family.singular:d}]" if family.singular else ""
        way = f"steps={count}" if own else f"times=times[::-1]{short}"
        walker = f"flow.parse_solver({json.dumps(text)}, process)" if text else walker
        if last <= process.t_min:
            merge = "backward[-2:] = backward[-1:]  # the last step ends at the data\n"
    filled = {
        "solver": walker,
        "steps": way,
        "merge": merge,
        "frames": FRAMES,
        "forward_steps": FRAMES - 1,
    }
    name = scene.bare.name
    return _PART.format(
        name=name,
        process=code.process.format(name=name, pde=name.removeprefix("pde:")),
        field=field,
        frames=FRAMES,
        forward=code.forward.format(**filled),
        backward=code.backward.format(**filled),
    )


def _data(spec: DataSpec, scene: LabScene) -> str:
    """Statements that make `items`."""
    return _DATA[spec.form](spec, scene)


_SCALED = """\
variance, mean = torch.var_mean(points.double(), dim=0, correction=0)
items = ((points.double() - mean) / (variance.mean().sqrt() / 0.5)).float()  # one scale for both columns
"""


def _preset(spec: DataSpec, scene: LabScene) -> str:
    return f"""\

# Some of the data, with mean 0 and deviation ½, as models take them.
points = data.load("{spec.preset}").values
order = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))
points = points[order[:{len(scene.data.dataset)}]]
{_SCALED}{_fewer(scene)}"""


def _images(spec: DataSpec, scene: LabScene) -> str:
    return f"""\

# Some of the data, as the process takes them.
dataset = data.load("{spec.images}")
order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0))
dataset = dataset.select(order[:{len(scene.data.dataset)}])
items = physics.parse("{scene.bare.name}").coder(dataset).to_model(dataset.values)
"""


def _word(spec: DataSpec, scene: LabScene) -> str:
    return f"""\

# Points that fill the word, with mean 0 and deviation ½.
word = DataSpec(word={spec.word!r}).items()
items = word.scaling.to_model(word.dataset.values)
{_fewer(scene)}"""


def _own(spec: DataSpec, scene: LabScene) -> str:
    """Points as they are, in model units."""
    if len(scene.items) <= 40:
        rows = "\n".join(f"    [{x}, {y}]," for x, y in scene.items.float().numpy().astype(str))
        return f"\n# The points, in model units.\nitems = torch.tensor([\n{rows}\n])\n"
    coded = base64.b64encode(scene.items.float().numpy().tobytes()).decode()
    lines = "\n".join(f'    "{coded[i : i + _WIDE]}"' for i in range(0, len(coded), _WIDE))
    return f"""\

# The points, in model units: x and y of each as float32.
import base64

coded = (
{lines}
)
items = torch.frombuffer(bytearray(base64.b64decode(coded)), dtype=torch.float32).reshape(-1, 2)
"""


def _fewer(scene: LabScene) -> str:
    """Of a field that is dear."""
    few = len(scene.items) < len(scene.data.dataset)
    return f"items = items[:{len(scene.items)}]\n" if few else ""


_DATA = {
    "preset": _preset,
    "images": _images,
    "word": _word,
    "points": _own,
    "picture": _own,
    "numbers": _own,
}
