"""Export: the lab as a folder of files that any web server can give out, with answers made beforehand.

    index.html, js/, css/, …    the page, told by a meta element that its answers are files
    runs/index.json             which questions have been answered, and in which file
    runs/<hash>.bin             one frame

The page looks for the answer that is nearest to its question (`js/static-link.js`): `args` are what it must
agree in, numbers as nearly as there are any; `rest` are the other arguments, with which a lab gives the same.
The catalog offers no more than what is there, so that whoever chooses from it finds it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unstir import __version__
from unstir.data.target import check_place
from unstir.errors import InputError
from unstir.lab.answer import Answer
from unstir.lab.app import STATIC, plotly_file
from unstir.lab.context import Context
from unstir.lab.frames import pack
from unstir.lab.points import IMAGES, POINTS, DataSpec
from unstir.lab.requests import parse
from unstir.lab.topics.prepared import prepared
from unstir.physics import entries
from unstir.physics.registry import entry_of_pde

PLANE = (
    *(
        "poisson:D=1",
        "poisson:D=8",
        "poisson:D=128",
        "pfgm",
        "yukawa:kappa=0.1",
        "yukawa:kappa=1",
        "capacitor",
    ),
    *("edm", "ve", "vp", "rectified", "levy:alpha=1.5", "levy:alpha=1.8", "oscillator", "langevin", "kac"),
    *("pde:row=heat", "pde:row=poisson", "pde:row=screened"),
)
PICTURES = (
    *(
        "heat",
        "blurring",
        "heat_poisson:D=128",
        "coins",
        "coins:noise=absorbing",
        "bridge",
        "edm",
        "langevin",
    ),
)
PARTICLES, FRAMES, MOMENTS = 800, 36, 12
_ARROWS, _CELLS, _LINES = 27, 64, 48
_TALL = 1.5  # of the window that paths say, so that a page that is no square is filled
_META = '<meta name="unstir-runs" content="runs/index.json">'
_HEAD = "<head>"


@dataclass(frozen=True)
class Question:
    """One that is answered beforehand.

    Attributes:
        kind: of the request.
        args: in which the page's question must agree.
        rest: its other arguments.
    """

    kind: str
    args: dict[str, Any]
    rest: dict[str, Any]

    @property
    def text(self) -> str:
        """As a page would send it."""
        return json.dumps({"id": 0, "slot": "static", "kind": self.kind, **self.args, **self.rest})

    @property
    def file(self) -> str:
        """The name of the answer's file."""
        given = json.dumps([self.kind, self.args, self.rest], sort_keys=True, separators=(",", ":"))
        return f"{hashlib.sha256(given.encode()).hexdigest()[:20]}.bin"

    def answer(self, context: Context) -> Answer:
        """The last stage."""
        *_, last = parse(self.text).answer(context)
        return last


@dataclass(frozen=True)
class Progress:
    """How far an export is.

    Attributes:
        done, total: questions.
        size: bytes written.
    """

    done: int
    total: int
    size: int


def questions(
    points: tuple[str, ...] = POINTS,
    plane: tuple[str, ...] = PLANE,
    images: tuple[str, ...] = IMAGES,
    pictures: tuple[str, ...] = PICTURES,
) -> Iterator[Question]:
    """All that is answered, for every process on every data set.

    Args:
        points: presets of the plane.
        plane: processes on them.
        images: sets of images.
        pictures: processes on those.
    """
    context = Context()
    pairs = [({"preset": name}, process) for name in points for process in plane]
    pairs += [({"images": name}, process) for name in images for process in pictures]
    for data, process in pairs:
        told = {"data": data, "process": process}
        yield Question("python", {"state": told}, {})
        for direction in ("forward", "backward"):
            args = {**told, "direction": direction, "field": "exact"}
            yield Question("path", args, {"n": PARTICLES, "frames": FRAMES, "seed": 0})
        if "images" in data:
            continue
        lines = {"lines": _LINES, "arrows": 0, "cells": 0, "half": 1}
        yield Question("field", {**told, "time": None, "of": "exact"}, lines)
        yield from _moments(told, context)
        if ":row=" not in process and process != "capacitor":
            yield Question("entropy", told, {"n": 300, "frames": 32, "seed": 0})


def topics() -> Iterator[Question]:
    """What the topics and the chapters ask."""
    for kind, args, rest in prepared():
        yield Question(kind, args, rest)


def _moments(told: dict[str, Any], context: Context) -> Iterator[Question]:
    """The field at some times, each in the window of its own."""
    scene = context.scene(DataSpec(**told["data"]), told["process"])
    for time in scene.family.clock(scene.process, MOMENTS):
        rest = {"half": round(_TALL * scene.half(time), 4), "arrows": _ARROWS, "cells": _CELLS}
        yield Question("field", {**told, "time": time, "of": "exact"}, rest)


def export(folder: Path, asked: list[Question] | None = None) -> Iterator[Progress]:
    """Write the lab into a folder, and say after each answer how far it is.

    Args:
        folder: new or empty.
        asked: what is answered; by default all `questions` and `topics`.

    Raises:
        InputError: a folder that cannot be made or is not empty.
    """
    if folder.suffix and not folder.is_dir():
        raise InputError(f"export={folder}: give the name of a folder, such as site")
    check_place(folder.absolute())
    context = Context()
    wanted = [*questions(), *topics()] if asked is None else asked
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(STATIC, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("tsconfig.json"))
    shutil.copyfile(plotly_file(), folder / "plotly.min.js")
    page = folder / "index.html"
    page.write_text(page.read_text("utf-8").replace(_HEAD, f"{_HEAD}\n  {_META}", 1), "utf-8")
    runs = folder / "runs"
    runs.mkdir()
    size, listed = 0, []
    hello = Question("hello", {}, {})
    for done, question in enumerate([hello, *wanted]):
        answer = question.answer(context)
        if question is hello:
            answer = Answer(_offered(dict(answer.scalars), wanted), answer.arrays)
        header = {"id": 0, "slot": "static", "kind": question.kind, "stage": 0, "done": True, "seconds": 0}
        frame = pack({**answer.scalars, **header}, answer.arrays)
        (runs / question.file).write_bytes(frame)
        size += len(frame)
        listed.append(
            {"kind": question.kind, "args": question.args, "rest": question.rest, "file": question.file}
        )
        yield Progress(done, len(wanted), size)
    index = {"version": __version__, "defaults": _defaults(), "answers": listed}
    (runs / "index.json").write_text(json.dumps(index, separators=(",", ":")), "utf-8")


def _offered(hello: dict[str, Any], wanted: list[Question]) -> dict[str, Any]:
    """A greeting that offers what has been answered: parameters as choices, and no solvers."""
    names = {question.args["process"] for question in wanted if question.kind == "path"}
    data = {next(iter(question.args["data"].values())) for question in wanted if question.kind == "path"}
    catalog = dict(hello["catalog"])
    listed = []
    for process in catalog["processes"]:
        values = [_values(name) for name in sorted(names) if name.partition(":")[0] == process["name"]]
        if not values:
            continue
        parameters = []
        for parameter in process["parameters"]:
            given = {str(value.get(parameter["name"], parameter["default"])): None for value in values}
            choices = [_plain(text) for text in given]
            if len(choices) > 1 or choices[0] != parameter["default"]:
                chosen = parameter["default"] if parameter["default"] in choices else choices[0]
                kept = {"name": parameter["name"], "kind": "choice", "default": chosen}
                parameters.append({**kept, "choices": sorted(choices, key=str if _texts(choices) else None)})
        listed.append({**process, "parameters": parameters, "solvers": []})
    catalog["processes"] = listed
    catalog["presets"] = [preset for preset in catalog["presets"] if preset["name"] in data]
    return {**hello, "catalog": catalog, "runs": [], "static": True}


def _defaults() -> dict[str, dict[str, Any]]:
    """The parameters of each process, so that one left out is known."""
    return {entry.name: dict(entry.parameters) for entry in [*entries(), entry_of_pde()]}


def _values(process: str) -> dict[str, str]:
    parts = filter(None, process.partition(":")[2].split(","))
    return {key: value for key, _, value in (part.partition("=") for part in parts)}


def _texts(choices: list[Any]) -> bool:
    return any(isinstance(choice, str) for choice in choices)


def _plain(text: str) -> float | int | str:
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number == int(number) else number
