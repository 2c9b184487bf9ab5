"""Checkpoints: whole or absent, every damage noticed and named, the next older one used."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch
from torch import Tensor

from unstir.train import load_checkpoint, save_checkpoint
from unstir.train.checkpoint import has_checkpoints, set_aside

Refused = Callable[..., str]
FullDisk = Callable[[int], AbstractContextManager[None]]
Listing = Callable[[Path], list[str]]
Tensors = dict[str, dict[str, Tensor]]

FILES = ["ema", "generators", "model", "optimizer"]
NAMES = sorted([*(f"{name}.safetensors" for name in FILES), "manifest.json", "state.json"])


def tensors(seed: int, width: int = 5) -> Tensors:
    source = torch.Generator().manual_seed(seed)
    weight = torch.randn((width, 3), generator=source)
    return {
        "model": {"w": weight, "b": torch.zeros(width, dtype=torch.bfloat16)},
        "ema": {"w": weight + 1, "n_averaged": torch.tensor(seed)},
        "optimizer": {"0.step": torch.tensor(float(seed)), "0.exp_avg": weight.T},  # not contiguous
        "generators": {"train": source.get_state()},
    }


def save(run: Path, *steps: int, width: int = 5) -> None:
    for step in steps:
        save_checkpoint(run, step, tensors(step, width), {"total": 30, "spent": step / 7, "skipped": 0})


def folder(run: Path, step: int) -> Path:
    return run / "checkpoints" / f"step-{step:06d}"


def manifest_of(run: Path, step: int) -> dict[str, dict[str, object]]:
    value: dict[str, dict[str, object]] = json.loads((folder(run, step) / "manifest.json").read_text())
    return value


def test_what_is_saved_comes_back(tmp_path: Path, listing: Listing) -> None:
    assert not has_checkpoints(tmp_path)
    save(tmp_path, 13)
    assert has_checkpoints(tmp_path)
    assert listing(tmp_path / "checkpoints") == ["step-000013", *(f"step-000013/{name}" for name in NAMES)]
    found, wanted = load_checkpoint(tmp_path), tensors(13)
    assert (found.step, found.passed_over) == (13, ())
    assert found.state == {"step": 13, "total": 30, "spent": 13 / 7, "skipped": 0}
    assert found.tensors.keys() == wanted.keys()
    for name, group in wanted.items():
        assert found.tensors[name].keys() == group.keys()
        for key, value in group.items():
            assert torch.equal(found.tensors[name][key], value)
            assert found.tensors[name][key].dtype == value.dtype


def test_the_manifest_holds_size_and_digest_of_every_other_file(tmp_path: Path) -> None:
    import hashlib

    save(tmp_path, 13)
    manifest = manifest_of(tmp_path, 13)
    assert sorted([*manifest, "manifest.json"]) == NAMES
    for name, entry in manifest.items():
        content = (folder(tmp_path, 13) / name).read_bytes()
        assert entry == {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def test_the_two_newest_are_kept_and_the_newest_is_used(tmp_path: Path) -> None:
    save(tmp_path, 5, 999_999, 1_000_000, 10)
    # The one just written is never the one that goes, whatever lies beside it.
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {"step-1000000", "step-000010"}
    assert load_checkpoint(tmp_path).step == 1_000_000


def test_a_checkpoint_is_replaced_by_one_of_its_step(tmp_path: Path) -> None:
    save(tmp_path, 5)
    save(tmp_path, 5, width=7)
    assert load_checkpoint(tmp_path).tensors["model"]["w"].shape == (7, 3)


def cut(run: Path) -> None:
    file = folder(run, 20) / "model.safetensors"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip(run: Path) -> None:
    file = folder(run, 20) / "ema.safetensors"
    content = bytearray(file.read_bytes())
    content[-3] ^= 0x10
    file.write_bytes(content)


def rewrite(name: str, text: str) -> Callable[[Path], None]:
    """Another text in a file, with a manifest that agrees."""

    def damage(run: Path) -> None:
        import hashlib

        (folder(run, 20) / name).write_text(text)
        manifest = manifest_of(run, 20)
        manifest[name] = {"size": len(text), "sha256": hashlib.sha256(text.encode()).hexdigest()}
        (folder(run, 20) / "manifest.json").write_text(json.dumps(manifest))

    return damage


def manifest_text(text: str) -> Callable[[Path], None]:
    return lambda run: (folder(run, 20) / "manifest.json").write_text(text) and None


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a file cut in half": (cut, "model.safetensors has"),
    "a flipped byte": (flip, "ema.safetensors does not have the manifest's SHA-256"),
    "a missing file": (
        lambda run: (folder(run, 20) / "optimizer.safetensors").unlink(),
        "optimizer.safetensors is missing",
    ),
    "no state": (lambda run: (folder(run, 20) / "state.json").unlink(), "state.json is missing"),
    "no manifest": (lambda run: (folder(run, 20) / "manifest.json").unlink(), "manifest.json is missing"),
    "an empty folder": (
        lambda run: [file.unlink() for file in folder(run, 20).iterdir()],
        "manifest.json is missing",
    ),
    "an empty manifest": (manifest_text(""), "manifest.json is not JSON"),
    "a cut manifest": (manifest_text('{"ema.safe'), "manifest.json is not JSON"),
    "a manifest of another kind": (manifest_text("[1]"), "manifest.json is not a mapping"),
    "a manifest without files": (manifest_text("{}"), "its manifest does not list the files"),
    "a manifest with odd entries": (
        manifest_text(json.dumps(dict.fromkeys((n for n in NAMES if n != "manifest.json"), 3))),
        "ema.safetensors has",
    ),
    "a deep manifest": (manifest_text("[" * 100_000), "manifest.json is not JSON"),
    "a huge number": (manifest_text("9" * 10_000), "manifest.json is not JSON"),
    "a huge manifest": (manifest_text(" " * 2_000_000), "manifest.json is too large"),
    "an extra file": (
        lambda run: (folder(run, 20) / "virus.pkl").touch(),
        "'virus.pkl' is no part of a checkpoint",
    ),
    "another step": (
        rewrite("state.json", '{"step": 21}'),
        "state.json is of another step",
    ),
    "no tensors": (rewrite("model.safetensors", "nothing"), "its tensors cannot be read"),
    "a folder renamed": (
        lambda run: (folder(run, 20).rename(folder(run, 21)), folder(run, 21).rename(folder(run, 25))),
        "state.json is of another step",
    ),
    "another shape": (
        lambda run: (shutil.rmtree(folder(run, 20)), save(run, 20, width=6)),
        "model.safetensors is of another shape: b is (6,), in this run (5,)",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_and_named(tmp_path: Path, damage: str) -> None:
    save(tmp_path, 10, 20)
    act, reason = DAMAGES[damage]
    act(tmp_path)
    found = load_checkpoint(tmp_path, tensors(0))
    assert found.step == 10
    assert torch.equal(found.tensors["model"]["w"], tensors(10)["model"]["w"])
    (passed,) = found.passed_over
    name, _, said = passed.partition(": ")
    assert name == ("step-000025" if "renamed" in damage else "step-000020")
    assert said.startswith(reason)
    assert passed.isprintable()


def test_none_whole_names_each(tmp_path: Path, refused: Refused) -> None:
    save(tmp_path, 10, 20)
    flip(tmp_path)
    (folder(tmp_path, 10) / "state.json").unlink()
    message = refused(load_checkpoint, tmp_path)
    assert message.startswith(f"run {tmp_path}: no checkpoint can be used (step-000020: ema.safetensors does")
    assert "; step-000010: state.json is missing)" in message
    assert message.endswith("train it again")


def test_none_at_all(tmp_path: Path, refused: Refused) -> None:
    assert "has no checkpoint yet; go on with unstir train --resume" in refused(load_checkpoint, tmp_path)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "step-1").mkdir()
    (tmp_path / "checkpoints" / "step-000009").touch()
    assert "has no checkpoint yet" in refused(load_checkpoint, tmp_path)


def test_harmless_hidden_files_are_passed_by(tmp_path: Path) -> None:
    save(tmp_path, 20)
    (folder(tmp_path, 20) / ".DS_Store").touch()
    assert load_checkpoint(tmp_path).step == 20


def test_names_and_shapes_are_compared(tmp_path: Path, refused: Refused) -> None:
    save(tmp_path, 20)
    more, fewer = tensors(0), tensors(0)
    more["model"]["extra"] = torch.zeros(1)
    del fewer["ema"]["w"]
    assert "model.safetensors lacks extra, which this run has" in refused(load_checkpoint, tmp_path, more)
    assert "ema.safetensors holds 'w', which this run does not have" in refused(
        load_checkpoint, tmp_path, fewer
    )
    # The optimizer knows only what had a gradient so far.
    partly = tensors(0)
    partly["optimizer"]["7.step"] = torch.zeros(())
    assert load_checkpoint(tmp_path, partly).step == 20


def test_a_file_that_cannot_be_read_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 10, 20)
    is_file = Path.is_file

    def broken(self: Path) -> bool:
        if self.parent.name == "step-000020":
            raise OSError(errno.EIO, "Input/output error")
        return is_file(self)

    monkeypatch.setattr(Path, "is_file", broken)
    assert load_checkpoint(tmp_path).passed_over == ("step-000020: cannot be read (Input/output error)",)


def test_later_ones_are_set_aside(tmp_path: Path) -> None:
    save(tmp_path, 10, 20)
    for _ in range(2):
        set_aside(tmp_path, 10)
        assert {p.name for p in (tmp_path / "checkpoints").iterdir()} == {
            "step-000010",
            "step-000020.damaged",
        }
        save(tmp_path, 20)
    # What lies aside neither counts among those kept nor pushes others out.
    save(tmp_path, 30)
    names = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert names == {"step-000020", "step-000030", "step-000020.damaged"}


class CrashError(Exception):
    """A process that ends here and now."""


@pytest.mark.parametrize("what", ["rename", "fsync", "manifest"])
def test_a_crash_on_the_way_leaves_the_older_ones(
    tmp_path: Path, listing: Listing, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    save(tmp_path, 10)
    before = listing(tmp_path)

    def crash(*_args: object, **_options: object) -> None:
        raise CrashError

    target = {"rename": (os, "replace"), "fsync": (os, "fsync"), "manifest": (json, "dumps")}[what]
    monkeypatch.setattr(*target, crash)
    with pytest.raises(CrashError):
        save(tmp_path, 20)
    monkeypatch.undo()
    assert listing(tmp_path) == before
    assert load_checkpoint(tmp_path).step == 10


@pytest.mark.parametrize("size", [0, 60, 200, 3000])
def test_a_full_disk_leaves_the_older_ones(
    tmp_path: Path, refused: Refused, listing: Listing, full_disk: FullDisk, size: int
) -> None:
    """Whether safetensors or Python is the one that finds no space."""
    save(tmp_path, 10)
    before = listing(tmp_path)
    with full_disk(size):
        message = refused(save, tmp_path, 20)
    assert message.startswith(f"cannot write {folder(tmp_path, 20)}: ")
    assert message.endswith("free some space")
    assert listing(tmp_path) == before
    assert load_checkpoint(tmp_path).step == 10


def test_a_read_only_disk(
    tmp_path: Path, refused: Refused, listing: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_args: object, **_options: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", read_only)
    message = refused(save, tmp_path, 20)
    assert message == f"cannot write {folder(tmp_path, 20)}: the disk is read-only; choose another folder"
    assert listing(tmp_path) == []
