"""The model card of a run: what it is, what it was measured to be, and how to load it."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unstir import __version__, physics
from unstir.errors import InputError
from unstir.train.storage import write_text

if TYPE_CHECKING:
    from unstir.run import Run

PICTURE = "samples.png"
_LARGEST = 1_000_000  # bytes of a run's evaluation.json
_DIFFUSERS = """\
```python
import unstir.interop.diffusers  # makes unstir's classes known to diffusers
from diffusers import DiffusionPipeline

pipe = DiffusionPipeline.from_pretrained("FOLDER")
samples = pipe(batch_size=4, output_type="np").images
```"""
_HUB = """\
```python
from unstir.run import Run

run = Run.from_pretrained("FOLDER")
samples = run.sample(4)
```"""
_LOADING = {"diffusers": _DIFFUSERS, "hub": _HUB}


def write_card(run: Run, folder: Path, form: str, name: str = "FOLDER") -> None:
    """Write README.md into `folder`, with the run's picture beside it where it has one."""
    picture = run.path / "samples" / PICTURE
    if picture.is_file():
        shutil.copyfile(picture, folder / PICTURE)
    write_text(folder / "README.md", card(run, form, name=name, picture=picture.is_file()))


def card(run: Run, form: str, *, name: str = "FOLDER", picture: bool = False) -> str:
    """The card as Markdown with metadata.

    Args:
        run: the run.
        form: what the folder is, `diffusers` or `hub`: it says how it is loaded.
        name: the folder's, or the repository's, as the loading code names it.
        picture: whether `samples.png` lies beside it.
    """
    base = run.process.name.partition(":")[0]
    summary = next(entry.summary for entry in physics.entries() if entry.name == base)
    library = "diffusers" if form == "diffusers" else "unstir"
    head = ["---", f"library_name: {library}", "tags:", "- unstir", "- physics-inspired-generative-models"]
    head += [f"- {base}", *(["pipeline_tag: unconditional-image-generation"] * (run.info.kind == "image"))]
    lines = [*head, "---", "", f"# {_plain(run.path.resolve().name)}", "", summary, ""]
    if picture:
        lines += [f"![samples]({PICTURE})", ""]
    lines += ["| | |", "| --- | --- |", *(f"| {what} | {told} |" for what, told in _facts(run)), ""]
    lines += _figures(run)
    lines += ["## How to load it", "", _LOADING[form].replace("FOLDER", name), ""]
    lines += [
        f"Made with unstir {__version__}. Tensors are safetensors: nothing in this folder is executed.",
        "",
    ]
    return "\n".join(lines)


def _facts(run: Run) -> list[tuple[str, str]]:
    info, config = run.info, run.config
    size = sum(parameter.numel() for parameter in run.field.network.parameters())
    options = ", ".join(f"{key}={value}" for key, value in config.network_options.items())
    facts = [
        ("process", f"`{run.process.name}`"),
        ("data", f"{_plain(Path(config.data).name)}: {info.kind}s of {'×'.join(map(str, info.shape))}"),
        ("items", f"{info.count - info.heldout:,} trained on, {info.heldout:,} held out"),
        ("network", f"{config.network} ({options}), {size:,} parameters" if options else
                    f"{config.network}, {size:,} parameters"),
        ("trained", f"{run.step:,} steps of {config.batch}"),
    ]  # fmt: skip
    if run.classes:
        shown = ", ".join(_plain(name) for name in run.classes[:20])
        facts.insert(3, ("classes", f"{len(run.classes)}: {shown}{', …' if len(run.classes) > 20 else ''}"))
    return facts


def _figures(run: Run) -> list[str]:
    """The evaluation that the run's training ended with, as a table; nothing where there is none."""
    found = _evaluation(run.path / "evaluation.json")
    if found is None:
        return []
    sets = {"samples": "samples", "baseline": "Gaussian fit", "floor": "real data"}
    columns = {name: found[name] for name in sets if isinstance(found.get(name), dict)}
    if "samples" not in columns:
        return []
    rows = [
        [key.replace("_", " "), *(_number(column.get(key)) for column in columns.values())]
        for key, value in columns["samples"].items()
        if isinstance(value, int | float)
    ]
    title = ["", *(sets[name] for name in columns)]
    table = [title, ["---", *["---:"] * len(columns)], *rows]
    n, space = found.get("n"), found.get("features", "values")
    return [
        "## Figures",
        "",
        f"Against held-out data, {n} items each, in {_plain(str(space))}, as measured by `unstir evaluate`:",
        "",
        *("| " + " | ".join(row) + " |" for row in table),
        "",
    ]


def _evaluation(path: Path) -> dict[str, Any] | None:
    try:
        if path.stat().st_size > _LARGEST:
            return None
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        raise InputError(f"{path}: cannot be read; run unstir evaluate again, or remove it") from None
    return found if isinstance(found, dict) else None


def _number(value: object) -> str:
    if not isinstance(value, int | float) or not math.isfinite(value):
        return ""
    return f"{value:.4g}"


def _plain(text: str) -> str:
    """A name as it may stand in a table of Markdown: one line without marks."""
    line = "".join(letter for letter in " ".join(text.split()) if letter.isprintable())
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", line)
