"""'Show the Python': the script is run, and what it makes is what the page was sent."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from unstir.errors import InputError
from unstir.lab.answer import Answer
from unstir.lab.context import Context
from unstir.lab.requests import parse


@pytest.fixture(scope="module")
def context() -> Context:
    return Context()


def ask(context: Context, kind: str, **given: Any) -> Answer:  # noqa: ANN401
    return list(parse(json.dumps({"id": 1, "slot": "main", "kind": kind, **given})).answer(context))[-1]


def picture() -> str:
    image = Image.new("L", (40, 30), 255)
    image.paste(0, (5, 5, 20, 25))
    out = io.BytesIO()
    image.save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


CASES: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({"preset": "swissroll"}, "poisson:D=1", {}),
    ({"preset": "swissroll"}, "vp", {"solver": "heun", "steps": 9}),
    ({"points": [[0.5, 0.25]]}, "poisson:D=1", {}),
    ({"points": [[i / 50, -i / 70] for i in range(60)]}, "langevin", {}),
    ({"word": "un'\"stir"}, "edm", {"solver": "churn:amount=20", "steps": 7}),
    ({"picture": picture()}, "rectified", {}),
    ({"numbers": "x,y\n1,2\n3,4\n5,9"}, "kac", {}),
    ({"preset": "gaussians8"}, "capacitor", {}),
    ({"preset": "two-moons"}, "pde:row=screened,m=1", {}),
    ({"images": "digits"}, "heat", {}),
    ({"images": "digits"}, "coins", {}),
    ({"images": "digits"}, "bridge", {}),
    ({"images": "digits"}, "edm", {"field": "local", "steps": 6}),
]


@pytest.mark.parametrize(("data", "process", "more"), CASES, ids=[f"{case[1]}" for case in CASES])
def test_a_script_makes_the_very_path(
    context: Context,
    data: dict[str, Any],
    process: str,
    more: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = {"data": data, "process": process, "n": 40, "seed": 3, "t": 0.5, "layers": [], **more}
    made = run(ask(context, "python", state=state).scalars["code"], tmp_path, monkeypatch)
    images = "images" in data
    asked = {"data": data, "process": process, "n": 16 if images else 40, "seed": 3, "frames": 48}
    scene = context.scene(parse_data(data), process)
    for direction in ("forward", "backward"):
        extra = more if direction == "backward" else {}
        answer = ask(context, "path", **asked, direction=direction, **extra)
        found = made[direction]
        if images:
            from unstir.lab.path import pixels

            np.testing.assert_array_equal(pixels(scene, found), answer.arrays["images"])
            continue
        states = torch.as_tensor(answer.arrays["states"])
        assert len(found) == len(states)
        for mine, sent in zip(found, states, strict=True):
            torch.testing.assert_close(torch.as_tensor(mine).float(), sent[: len(mine)], atol=1e-5, rtol=1e-5)
    assert (tmp_path / "lab.png").stat().st_size > 1000


def test_two_physics_are_compared_in_one_script(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = {"data": {"points": [[0, 1]]}, "process": "edm", "compare": "kac", "n": 5}
    made = run(ask(context, "python", state=state).scalars["code"], tmp_path, monkeypatch)
    assert [name for name, _ in made["shown"]] == ["edm", "edm, backward", "kac", "kac, backward"]


@pytest.mark.parametrize(
    "given",
    [
        {"solver": 'heun"); import os; os.abort() #'},
        {"process": 'edm"""; import os; os.abort()'},
        {"field": "neural:main"},
        {"data": {"preset": '"); import os #'}},
    ],
)
def test_nothing_but_a_known_name_gets_into_a_script(context: Context, given: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        ask(context, "python", state={"data": {"preset": "swissroll"}, "process": "edm", **given})


def test_frames_become_a_film(context: Context) -> None:
    frames = []
    for shade in (0, 120, 240):
        out = io.BytesIO()
        Image.new("RGB", (32, 20), (shade, 10, 200)).save(out, "PNG")
        frames.append(base64.b64encode(out.getvalue()).decode())
    answer = ask(context, "gif", frames=frames, milliseconds=60)
    film = Image.open(io.BytesIO(np.asarray(answer.arrays["gif"]).tobytes()))
    assert (film.format, film.size, getattr(film, "n_frames", 1)) == ("GIF", (32, 20), 3)
    assert film.info["duration"] == 60
    for number, shade in enumerate((0, 120, 240)):
        film.seek(number)
        red, green, blue = film.convert("RGB").getpixel((5, 5))  # type: ignore[misc]
        assert max(abs(red - shade), abs(green - 10), abs(blue - 200)) < 20


@pytest.mark.parametrize("frames", [["no base64!"], [base64.b64encode(b"no picture").decode()]])
def test_what_is_no_picture_makes_no_film(context: Context, frames: list[str]) -> None:
    with pytest.raises(InputError, match="number 0"):
        ask(context, "gif", frames=frames)


def run(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a script leaves behind."""
    monkeypatch.chdir(folder)
    made: dict[str, Any] = {}
    exec(compile(code, "script", "exec"), made)  # noqa: S102  # the lab's own
    return made


def parse_data(data: dict[str, Any]) -> Any:  # noqa: ANN401
    from unstir.lab.points import DataSpec

    return DataSpec.model_validate_json(json.dumps(data))
