"""Checkpoints: `checkpoints/step-000123/` with tensors as safetensors, `state.json`, `manifest.json` last.

The manifest holds the size and SHA-256 of every other file; a checkpoint without one that verifies is passed
over, and said to be. No pickle is ever read. The two newest are kept.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from unstir.errors import InputError
from unstir.train.storage import explained, new_folder

_KEPT = 2
_NAME = re.compile(r"step-(\d{6,})")
_FILES = ("model", "ema", "optimizer", "generators")

Tensors = dict[str, dict[str, Tensor]]


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        step: steps done.
        tensors: by file: model, ema, optimizer, generators.
        state: plain values: the plan, seconds spent, steps skipped.
        passed_over: newer checkpoints that do not verify, each as 'name: reason'.
    """

    step: int
    tensors: Tensors
    state: dict[str, Any]
    passed_over: tuple[str, ...] = ()


def save_checkpoint(
    run: Path, step: int, tensors: Mapping[str, dict[str, Tensor]], state: dict[str, Any]
) -> Path:
    """Write a checkpoint whole, then prune old ones.

    Raises:
        InputError: the disk is full or may not be written to; nothing of it is left, older ones stay.
    """
    from safetensors.torch import save_file

    folder = run / "checkpoints"
    target = folder / f"step-{step:06d}"
    with new_folder(target) as temporary:
        for name, group in tensors.items():
            with explained(target):
                save_file(
                    {key: value.detach().cpu().contiguous() for key, value in group.items()},
                    temporary / f"{name}.safetensors",
                )
        (temporary / "state.json").write_text(json.dumps({"step": step, **state}, indent=1))
        manifest = {
            file.name: {"size": file.stat().st_size, "sha256": _digest(file)}
            for file in sorted(temporary.iterdir())
        }
        (temporary / "manifest.json").write_text(json.dumps(manifest, indent=1))
    for _, old in _list(folder)[_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def load_checkpoint(run: Path) -> Checkpoint:
    """The newest checkpoint that verifies.

    Raises:
        InputError: there is none; the line names each that was passed over, and why.
    """
    found = _list(run / "checkpoints")
    if not found:
        raise InputError(f"run {run}: has no checkpoint; train it first (unstir train --out {run})")
    passed: list[str] = []
    for step, path in found:
        try:
            tensors, state = _read(path, step)
        except (InputError, OSError) as error:
            passed.append(f"{path.name}: {error}")
            continue
        return Checkpoint(step, tensors, state, tuple(passed))
    raise InputError(f"run {run}: no checkpoint is whole ({'; '.join(passed)}); train it again")


def _list(folder: Path) -> list[tuple[int, Path]]:
    """Checkpoints by step, the newest first."""
    if not folder.is_dir():
        return []
    matches = [(_NAME.fullmatch(path.name), path) for path in folder.iterdir() if path.is_dir()]
    return sorted(((int(match[1]), path) for match, path in matches if match), reverse=True)


def _read(path: Path, step: int) -> tuple[Tensors, dict[str, Any]]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    manifest = _json(path / "manifest.json")
    expected = {"state.json", *(f"{name}.safetensors" for name in _FILES)}
    if set(manifest) != expected:
        raise InputError("its manifest does not list the files of a checkpoint")
    for name, entry in manifest.items():
        file = path / name
        if not file.is_file():
            raise InputError(f"{name} is missing")
        if not isinstance(entry, dict) or file.stat().st_size != entry.get("size"):
            raise InputError(
                f"{name} has {file.stat().st_size} bytes, not the manifest's: it was cut or changed"
            )
        if _digest(file) != entry.get("sha256"):
            raise InputError(f"{name} does not have the manifest's SHA-256: it was changed")
    state = _json(path / "state.json")
    if state.get("step") != step:
        raise InputError("state.json is of another step")
    try:
        return {name: load_file(path / f"{name}.safetensors") for name in _FILES}, state
    except SafetensorError as error:
        raise InputError(f"its tensors cannot be read ({error})") from None


def _json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > 10_000_000:
            raise InputError(f"{path.name} is too large")
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path.name} is missing") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise InputError(f"{path.name} is not JSON") from None
    if not isinstance(value, dict):
        raise InputError(f"{path.name} is not a mapping")
    return value


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
