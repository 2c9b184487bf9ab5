"""Checkpoints: `checkpoints/step-000123/` with tensors as safetensors, `state.json`, `manifest.json` last.

The manifest holds the size and SHA-256 of every other file. A checkpoint whose manifest does not verify, or
whose tensors are of other shapes than the run's, is passed over, and said to be. No pickle is ever read. The
two newest are kept.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from unstir.data.whole import discard, explained, new_folder
from unstir.data.wording import quoted, reason
from unstir.errors import InputError

_KEPT = 2
_LARGEST_JSON = 1_000_000  # bytes
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
        passed_over: newer checkpoints that cannot be used, each as 'name: reason'.
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
    others = [old for _, old in _list(folder) if old != target]
    for old in others[_KEPT - 1 :]:
        with suppress(OSError):
            discard(old)
    return target


def has_checkpoints(run: Path) -> bool:
    """Whether a checkpoint was ever kept in `run`, whole or not."""
    return bool(_list(run / "checkpoints"))


def weights_size(run: Path) -> int:
    """Bytes of the largest file of weights among the checkpoints, whole or not.

    Raises:
        InputError: there is no checkpoint.
    """
    files = [path / "model.safetensors" for _, path in _found(run)]
    return max((file.stat().st_size for file in files if file.is_file()), default=0)


def checkpoint_step(path: Path) -> int | None:
    """The step of a checkpoint's folder, or None where `path` is none."""
    match = _NAME.fullmatch(path.name)
    return int(match[1]) if match and path.resolve().parent.name == "checkpoints" and path.is_dir() else None


def load_checkpoint(
    run: Path, like: Mapping[str, Mapping[str, Tensor]] | None = None, step: int | None = None
) -> Checkpoint:
    """The newest checkpoint that can be used.

    Args:
        run: the run folder.
        like: by file, tensors of the names and shapes that its tensors must have; files left out may have
            any, and a part of the optimizer's is enough, since it knows only what had a gradient.
        step: of the one that is wanted, and no other.

    Raises:
        InputError: there is none; the line names each that was passed over, and why.
    """
    found = _found(run, step)
    passed: list[str] = []
    for at, path in found:
        try:
            tensors, state = _read(path, at)
            if state.get("shared") and "optimizer" in (like or {}):
                raise InputError("was shared without what resuming needs")
            for name, group in (like or {}).items():
                _check_shapes(f"{name}.safetensors", tensors[name], group, partly=name == "optimizer")
        except InputError as error:
            passed.append(f"{path.name}: {error}")
        except OSError as error:
            passed.append(f"{path.name}: cannot be read ({error.strerror})")
        else:
            return Checkpoint(at, tensors, state, tuple(passed))
    raise InputError(f"run {run}: no checkpoint can be used ({'; '.join(passed)}); train it again")


def set_aside(run: Path, step: int) -> None:
    """Rename the checkpoints after `step` to `….damaged`: a run that goes on from there makes its own.

    Raises:
        InputError: the disk may not be written to.
    """
    for later, path in _list(run / "checkpoints"):
        if later > step:
            target = path.with_name(f"{path.name}.damaged")
            with explained(target):
                if target.exists():
                    discard(target)
                path.rename(target)


def _found(run: Path, step: int | None = None) -> list[tuple[int, Path]]:
    """The checkpoints of a run, or the one of a step."""
    found = [(at, path) for at, path in _list(run / "checkpoints") if step in (None, at)]
    if not found:
        raise InputError(f"run {run}: has no checkpoint yet; go on with unstir train --resume --out {run}")
    return found


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
    extra = sorted(f.name for f in path.iterdir() if f.name not in expected | {"manifest.json"})
    if extra := [name for name in extra if not name.startswith(".")]:  # .DS_Store and the like do no harm
        raise InputError(f"{quoted(extra[0])} is no part of a checkpoint")
    state = _json(path / "state.json")
    if state.get("step") != step:
        raise InputError("state.json is of another step")
    try:
        return {name: load_file(path / f"{name}.safetensors") for name in _FILES}, state
    except SafetensorError as error:
        raise InputError(f"its tensors cannot be read ({reason(error)})") from None


def _check_shapes(
    file: str, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], *, partly: bool
) -> None:
    for name in sorted(found.keys() | wanted.keys()):
        if name not in wanted:
            raise InputError(f"{file} holds {quoted(name)}, which this run does not have")
        if name not in found:
            if partly:
                continue
            raise InputError(f"{file} lacks {name}, which this run has")
        if found[name].shape != wanted[name].shape:
            raise InputError(
                f"{file} is of another shape: {name} is {tuple(found[name].shape)}, "
                f"in this run {tuple(wanted[name].shape)}"
            )


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"{path.name} is missing")
    if path.stat().st_size > _LARGEST_JSON:
        raise InputError(f"{path.name} is too large")
    try:
        value = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError):
        raise InputError(f"{path.name} is not JSON") from None
    if not isinstance(value, dict):
        raise InputError(f"{path.name} is not a mapping")
    return value


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
