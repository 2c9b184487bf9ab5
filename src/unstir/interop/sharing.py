"""A run to be shared: what sampling needs, without the optimizer, without a path of the machine it came from.

It is a run folder like any other, so that `unstir.load` and every verb open it: config.yaml, data.json,
kept.safetensors and one checkpoint, whose optimizer and generators are empty; such a run cannot be resumed.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unstir.errors import InputError
from unstir.train.checkpoint import load_checkpoint, save_checkpoint
from unstir.train.config import dump_config
from unstir.train.folder import KEPT
from unstir.train.storage import explained, json_text, write_text

if TYPE_CHECKING:
    from unstir.run import Run

_BESIDE = ("evaluation.json", "times.json", KEPT)


def write_shared(run: Run, folder: Path) -> None:
    """Write the run into `folder`.

    Raises:
        InputError: its checkpoint cannot be read any more, or the disk is full.
    """
    nowhere: dict[str, Any] = {"data": Path(run.config.data).name, "teacher": None, "track": None}
    if run.config.partner is not None:
        nowhere["partner"] = Path(run.config.partner).name
    with explained(folder):
        for name in _BESIDE:
            if (run.path / name).is_file():
                shutil.copyfile(run.path / name, folder / name)
        shutil.copyfile(run.path / "data.json", folder / "data.json")
    tensors = load_checkpoint(run.path, step=run.step).tensors
    kept = {name: tensors[name] for name in ("model", "ema")}
    save_checkpoint(folder, run.step, kept | {"optimizer": {}, "generators": {}}, {"shared": True})
    write_text(folder / "config.yaml", dump_config(run.config.model_copy(update=nowhere)))
    told = {"library": "unstir", "process": run.process.name, "step": run.step}
    write_text(folder / "config.json", json_text(told))  # which huggingface_hub looks for


def read_shared(folder: Path) -> Run:
    """The run in `folder`, as `unstir.load` opens it.

    Raises:
        InputError: no run, or a damaged one.
    """
    from unstir.run import load

    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    return load(folder)
