"""The examples run with a tiny budget, leave what they promise, and stay short."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

FOLDER = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(FOLDER.glob("*.py"))
PAGE = FOLDER.parent / "docs" / "examples.md"


def module(name: str) -> ModuleType:
    """An example as a module; none of them is importable by name."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_is_short_and_on_the_page(script: Path) -> None:
    text = script.read_text("utf-8")
    assert len(text.splitlines()) < 60
    assert f"python examples/{script.name}" in text
    assert f"python examples/{script.name}" in PAGE.read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("images", ["new.png"]),
        ("table", ["new.csv"]),
        ("time_signal", ["real.png", "new.png"]),
        ("restoration", ["restored.png"]),
    ],
)
def test_trains_and_leaves_something_to_look_at(
    name: str, left: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, example = tmp_path / "run", module(name)
    own = []
    if name == "images":  # smaller ones, which cost less
        own.append(str(example.moons(tmp_path / "moons", 60)))
        for file in (tmp_path / "moons").iterdir():
            with Image.open(file) as moon:
                moon.resize((8, 8)).save(file)
    example.main([*own, "--steps", "2", "--out", str(out)])
    printed = capsys.readouterr().out
    for file in left:
        assert (out / file).stat().st_size > 100
        assert f"open    {out / file}" in printed


def test_table_reads_its_own_rows_again(tmp_path: Path) -> None:
    import unstir

    table = module("table").weather(tmp_path / "days.csv", 50)
    assert unstir.data.load(table).columns == ("season", "temperature", "sunshine", "rain")


def test_table_takes_one_of_numbers_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["a,b", *(f"{i},{i * i}" for i in range(150))]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    module("table").main([str(tmp_path / "t.csv"), "--steps", "1", "--out", str(tmp_path / "run")])
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()] == ["quantiles", "a", "b", "open"]


def test_own_physics_holds_and_generates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example = module("own_physics")
    example.main(out=tmp_path / "dust", n=50)
    printed = capsys.readouterr().out
    assert "FAILS" not in printed
    grains = float(printed.split("50 grains, ")[1].split()[0])
    assert grains < 0.02
    assert (tmp_path / "dust" / "backward.png").stat().st_size > 1000


def test_a_universe_of_matter_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module("own_physics").main(0.67, tmp_path / "matter")
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "FAILS" in lines["equilibrium"]
    assert "holds" in lines["conservation"]
    assert not (tmp_path / "matter").exists()
