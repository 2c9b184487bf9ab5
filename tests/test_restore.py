"""`unstir restore`: degrades, restores, measures, draws."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from PIL import Image

import unstir
from unstir.cli import main
from unstir.data import load
from unstir.restore import degrade, psnr
from unstir.run import Run

TINY = {"width": 8}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "bridge"
    return unstir.fit(
        "bridge:task=deblur", "digits", steps=12, batch=32, lr=1e-3, out=out, network_options=TINY, threads=1
    )


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["unstir", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_held_out_digits_come_nearer_to_the_clean_ones(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "restored.npz"
    arguments = ("restore", str(trained.path), "--degrade", "-n", "40", "--solver", "mean", "--steps", "3")
    assert command(monkeypatch, *arguments, "--out", str(target), "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["n"] == 40
    # Wiener's filter, from which the network starts, gains 2.9 dB of itself
    assert report["psnr_restored"] > report["psnr_degraded"] + 2
    clean = trained.data()[1].values[:40]
    assert report["psnr_degraded"] == pytest.approx(psnr(degrade(trained, clean), clean), abs=1e-3)
    assert report["psnr_restored"] == pytest.approx(psnr(load(str(target)).values, clean), abs=1e-3)
    with Image.open(report["picture"]) as picture:
        assert picture.width / picture.height == pytest.approx(4, rel=0.1)  # three rows of twelve


def test_a_users_own_files_are_restored(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    given = degrade(trained, trained.data()[1].values[:2])
    for i, image in enumerate(given):
        Image.fromarray(image[0].numpy()).save(folder / f"{i}.png")
    for source, n in ((folder, 2), (folder / "0.png", 1)):
        target = tmp_path / f"out{n}"
        options = ("--input", str(source), "--out", str(target), "--seed", "3")
        assert command(monkeypatch, "restore", str(trained.path), *options) == 0
        restored = load(str(target)).values
        assert torch.equal(restored, trained.sample(2, start=given, seed=3)[:n])
    assert "PSNR" not in capsys.readouterr().out


def test_refusals(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ("--out", str(tmp_path / "o.png"))
    assert command(monkeypatch, "restore", str(trained.path), *out) == 2
    assert "--input" in capsys.readouterr().err
    assert command(monkeypatch, "restore", str(trained.path), "--input", "swissroll", *out) == 2
    assert "shape" in capsys.readouterr().err
    other = unstir.fit(
        "edm", "digits", steps=1, batch=4, out=tmp_path / "edm", network_options=TINY, threads=1
    )
    assert command(monkeypatch, "restore", str(other.path), "--degrade", *out) == 2
    assert "bridge" in capsys.readouterr().err


def test_psnr_of_a_known_error() -> None:
    clean = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    assert psnr(clean + 51, clean) == pytest.approx(20 * math.log10(5))
    assert psnr(clean, clean) == math.inf
