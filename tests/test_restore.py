"""`unstir restore`: degrades, restores, measures, draws."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import unstir
from unstir.cli import main
from unstir.conditions import Pooled, Tomography, parse_task
from unstir.data import load
from unstir.flow import Streams
from unstir.restore import (
    compared,
    coverage,
    degrade,
    different,
    linear_of,
    psnr,
    restore,
    restore_steps,
    rows_picture,
)
from unstir.run import Run

TINY = {"width": 8}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "bridge"
    return unstir.fit(
        "bridge:task=deblur", "digits", steps=12, batch=32, lr=1e-3, out=out, network_options=TINY, threads=1
    )


@pytest.fixture(scope="module")
def unconditional(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Of a linear process: the sketch alone, but for one step."""
    out = tmp_path_factory.mktemp("runs") / "edm"
    return unstir.fit("edm", "digits", steps=1, batch=4, out=out, network_options=TINY, threads=1)


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
        assert 2.5 < picture.width / picture.height < 3.5  # three rows of twelve, under a heading


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
    arguments = ("restore", str(trained.path), "--degrade", "--task", "deblur", *out)
    assert command(monkeypatch, *arguments) == 2
    assert "leave the task out" in capsys.readouterr().err
    assert command(monkeypatch, "restore", str(trained.path), "--degrade", "--method", "dps", *out) == 2
    assert "--task" in capsys.readouterr().err


def test_refusals_of_tasks(
    unconditional: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refusal(*arguments: str) -> str:
        out = ("--out", str(tmp_path / "o.png"))
        assert command(monkeypatch, "restore", str(unconditional.path), *arguments, *out) == 2
        message = capsys.readouterr().err
        assert len(message.splitlines()) == 1
        return message

    assert "--task deblur" in refusal("--degrade")
    assert "inpaint, superres, deblur, denoise, sparse-ct" in refusal("--degrade", "--task", "unstir")
    assert "noise=0" in refusal("--degrade", "--task", "denoise:noise=0")
    assert "cannot be read" in refusal("--degrade", "--task", f"inpaint:mask={tmp_path / 'none.png'}")
    assert "moments, pigdm, dps" in refusal("--degrade", "--task", "denoise", "--method", "magic")
    assert "--samples" in refusal("--degrade", "--task", "denoise", "--solver", "particles")
    # digits are 8 pixels wide: small ones of a task that halves them have 4
    assert "(1, 4, 4)" in refusal("--input", "digits", "--task", "superres:factor=2")


@pytest.mark.parametrize("task", ["inpaint", "sparse-ct:angles=6"])
def test_a_task_is_undone_by_an_unconditional_run(
    unconditional: Run,
    task: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    target = tmp_path / "restored.npz"
    options = ("--task", task, "--degrade", "-n", "6", "--samples", "2", "--steps", "6", "--json")
    assert command(monkeypatch, "restore", str(unconditional.path), *options, "--out", str(target)) == 0
    report = json.loads(capsys.readouterr().out)
    clean = unconditional.data()[1].values[:6]
    restored = load(str(target)).values.reshape(6, 2, 1, 8, 8)
    assert report["psnr_restored"] == pytest.approx(psnr(restored[:, 0], clean), abs=1e-3)
    assert report["psnr_mean"] > report["psnr_degraded"] + 2
    assert 0.7 < report["coverage"] <= 1
    with Image.open(report["picture"]) as picture:
        assert 1 < picture.width / picture.height < 1.3  # five rows of six, under a heading


def test_small_images_and_sinograms_of_a_user_are_restored(
    unconditional: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = unconditional.data()[1].values[:3]
    small = Pooled(2, 0.02)(clean.float() / 255)
    folder = tmp_path / "small"
    folder.mkdir()
    for i, image in enumerate(small):
        Image.fromarray((255 * image[0]).round().byte().numpy()).save(folder / f"{i}.png")
    np.savez(tmp_path / "sinograms.npz", observed=Tomography(6, 0.01)(clean.float() / 255).numpy())
    inputs = {"superres:factor=2": folder, "sparse-ct:angles=6": tmp_path / "sinograms.npz"}
    for task, source in inputs.items():
        target = tmp_path / f"{task[:4]}.npz"
        options = ("--task", task, "--input", str(source), "--steps", "6", "--out", str(target))
        assert command(monkeypatch, "restore", str(unconditional.path), *options) == 0
        restored = load(str(target)).values
        assert restored.shape == clean.shape
        # what was seen of them is seen of the restored ones, as near as the noise
        measurement = parse_task(task).measurement((1, 8, 8))
        missed = measurement(restored.float() / 255) - measurement(clean.float() / 255)
        assert float(missed.square().mean().sqrt()) < 3 * measurement.sigma
        assert psnr(restored, clean) > 12


def test_a_sample_depends_on_its_index_alone(unconditional: Run) -> None:
    clean = unconditional.data()[1].values[:3].float() / 255
    measurement = Pooled(2, 0.1)
    observed = measurement.observe(clean, torch.Generator().manual_seed(0))
    whole = restore(unconditional, observed, measurement, method="pigdm", steps=4, samples=2)
    parts = restore(unconditional, observed, measurement, method="pigdm", steps=4, samples=2, batch=2)
    # rounding to bytes may fall either way
    assert int((whole.int() - parts.int()).abs().max()) <= 1
    assert not torch.equal(whole[:, 0], whole[:, 1])


def test_what_is_compared_is_named() -> None:
    given, restored = (
        torch.zeros(3, 1, 8, 8, dtype=torch.uint8),
        torch.zeros(3, 6, 1, 8, 8, dtype=torch.uint8),
    )
    restored[:, ::2] = 100
    several = compared(given, restored, given)
    assert list(several) == ["measured", "draw 1", "draw 2", "draw 3", "draw 4", "mean of 6", "truth"]
    assert several["mean of 6"].unique().tolist() == [50]
    assert list(compared(given, restored[:, :1])) == ["measured", "restored"]
    picture = rows_picture("Restored", several)
    white = np.asarray(picture.convert("L"))
    # Twice a hundred: the first and third draw of each of three images, 96 pixels each way or more.
    assert (white == 100).sum() >= 2 * 3 * 96**2


def test_of_several_samples_each_image_has_a_row(
    unconditional: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "all.png"
    options = ("--task", "denoise", "--degrade", "-n", "5", "--samples", "2", "--steps", "3")
    assert command(monkeypatch, "restore", str(unconditional.path), *options, "--out", str(target)) == 0
    with Image.open(target) as picture:
        assert picture.height / picture.width == pytest.approx(5 / 2, rel=0.02)


def test_a_place_that_takes_nothing_is_refused_before_anything_is_drawn(
    unconditional: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unstir.restore.restore", lambda *_, **__: pytest.fail("drawn for nothing"))
    options = ("--task", "denoise", "--degrade", "-n", "3", "--out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").touch()
    for target in (tmp_path / "a.jpg", tmp_path / "full"):
        assert command(monkeypatch, "restore", str(unconditional.path), *options, str(target)) == 2


def test_particles_of_heat_begin_from_its_own_prior(tmp_path: Path) -> None:
    few = tmp_path / "few.npz"
    np.savez(few, samples=load("digits").values[:60, 0].numpy())
    run = unstir.fit(
        "heat", str(few), steps=1, batch=4, out=tmp_path / "heat", network_options=TINY, threads=1
    )
    measurement = Pooled(2, 0.1)
    observed = measurement(run.data()[1].values[:1].float() / 255)
    process, shape = linear_of(run), run.info.model_shape
    own = Streams(5, 0, 4).draw(lambda g: process.prior(1, shape, g))
    for solver, same in (("particles", True), ("heun", False)):
        steps = restore_steps(run, observed, measurement, solver=solver, samples=4, steps=2, seed=5)
        assert torch.equal(next(steps).step.state, own) == same


def test_coverage_of_known_samples() -> None:
    generator = torch.Generator().manual_seed(0)
    draws = 128 + 20 * torch.randn(2000, 21, generator=generator)
    clean, samples = draws[:, 0].round().byte(), draws[:, 1:].round().byte()
    assert coverage(samples, clean) == pytest.approx(0.94, abs=0.02)
    assert coverage(samples, (draws[:, 0] + 40).round().byte()) < 0.6


def test_copies_are_counted_and_told(
    unconditional: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 200, (2, 4, 1, 8, 8), generator=generator).byte()
    assert different(images) == 4
    images[0, 2:] = images[0, :1] + 1  # nearly the first
    assert different(images) == 3
    options = ("--task", "inpaint", "--degrade", "-n", "2", "--samples", "4", "--steps", "4")
    options = (*options, "--out", str(tmp_path / "a.npz"), "--solver", "particles")
    monkeypatch.setattr("unstir.restore.restore", lambda *_, **__: images[:, :1].expand(-1, 4, -1, -1, -1))
    assert command(monkeypatch, "restore", str(unconditional.path), *options) == 0
    assert "of 4 particles of an image 1.0 differ" in " ".join(capsys.readouterr().err.split())
    monkeypatch.setattr("unstir.restore.restore", lambda *_, **__: images)
    assert command(monkeypatch, "restore", str(unconditional.path), *options, "--json") == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["different"] == 3
    assert "copies" not in told.err


def test_psnr_of_a_known_error() -> None:
    clean = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    assert psnr(clean + 51, clean) == pytest.approx(20 * math.log10(5))
    assert psnr(clean, clean) == math.inf
