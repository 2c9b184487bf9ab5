"""Exported runs: diffusers loads them and draws our samples; shared ones are runs without a past."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from huggingface_hub import ModelCard
from torch import Tensor
from typer.testing import CliRunner

import unstir.interop.diffusers
from unstir.cli import app
from unstir.flow import sample_steps
from unstir.flow.sampling import gather
from unstir.flow.streams import Streams
from unstir.interop import export
from unstir.physics import LinearProcess
from unstir.run import Run, load

MakeRun = Callable[..., Run]
Refused = Callable[..., str]

RUNS = [
    ("poisson:D=128", {}),  # patch-unet with a sketch and classes, as by default
    ("heat", {}),
    ("blurring", {}),
    ("pfgm", {}),
    ("yukawa:kappa=1", {"network": "unet", "network_options": {"channels": [8], "layers": 1}, "sketch": 0}),
    ("vp", {"augment": "edm"}),
    ("rectified", {"data": "two-moons"}),
]


def shown(run: Run, n: int, steps: int) -> tuple[Tensor, Tensor | None, Tensor]:
    """Prior states, classes, and where our own sampler takes them, in model units."""
    assert isinstance(run.process, LinearProcess)
    process, shape = run.process, run.info.model_shape
    labels = run.labels(n, seed=3)
    walk = sample_steps(process, run.field, n, shape, steps=steps, seed=3, label=labels)
    start = Streams(3, 0, n).draw(lambda g: process.prior(1, shape, g))
    return start, labels, gather(n, walk)


@pytest.mark.parametrize(("process", "options"), RUNS, ids=[process for process, _ in RUNS])
def test_diffusers_draws_what_we_draw(
    process: str, options: dict[str, Any], make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(process, **options)
    folder = export(run, tmp_path / "out")
    pipe = DiffusionPipeline.from_pretrained(folder)
    assert isinstance(pipe, unstir.interop.diffusers.UnstirPipeline)
    assert type(pipe.scheduler) is unstir.interop.diffusers.scheduler_class(process)
    pipe.set_progress_bar_config(disable=True)
    start, labels, ours = shown(run, 6, 8)
    asked = None if labels is None else labels.tolist()
    theirs = pipe(6, asked, latents=start, num_inference_steps=8, output_type="latent").images
    torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-4)
    values = pipe(6, asked, latents=start, num_inference_steps=8, output_type="np").images
    data = run.scaling.to_data(ours)
    wanted = data.movedim(1, 3).numpy() / 255 if run.info.kind == "image" else data.numpy()
    np.testing.assert_allclose(values, wanted, atol=1.01 / 255 if run.info.kind == "image" else 1e-3)
    again = pipe(3, generator=torch.Generator().manual_seed(5), num_inference_steps=3, output_type="latent")
    other = pipe(3, generator=torch.Generator().manual_seed(5), num_inference_steps=3, output_type="latent")
    assert torch.equal(again.images, other.images)
    assert bool(again.images.isfinite().all())


def test_a_folder_holds_no_path_and_no_code(make_run: MakeRun, tmp_path: Path) -> None:
    points = tmp_path / "secret-place" / "points.npy"
    points.parent.mkdir()
    np.save(points, np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32))
    run = make_run("edm", points)
    for form in ("diffusers", "hub"):
        folder = export(run, tmp_path / form, form)
        files = [file for file in folder.rglob("*") if file.is_file()]
        assert {file.suffix for file in files} <= {".json", ".safetensors", ".md", ".yaml", ".png"}
        for file in files:
            content = file.read_bytes()
            assert b"secret-place" not in content, file
            assert str(run.path.parent).encode() not in content, file


def test_it_opens_in_a_process_of_its_own(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a user does: one import, then diffusers' own line; without the import it says what is missing."""
    folder = export(make_run("poisson:D=128"), tmp_path / "out")
    code = (
        "import unstir.interop.diffusers\n"
        "from diffusers import DiffusionPipeline\n"
        f"pipe = DiffusionPipeline.from_pretrained({str(folder)!r})\n"
        "print(pipe(2, num_inference_steps=2, class_labels='3').images[0].size)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "(8, 8)\n"
    monkeypatch.delattr(diffusers, "UnstirPipeline")
    with pytest.raises(AttributeError, match="UnstirPipeline"):
        DiffusionPipeline.from_pretrained(folder)


def test_guidance_and_classes(make_run: MakeRun, tmp_path: Path, refused: Refused) -> None:
    run = make_run("poisson:D=128")
    pipe = DiffusionPipeline.from_pretrained(export(run, tmp_path / "out"))
    pipe.set_progress_bar_config(disable=True)
    start, labels, _ = shown(run, 4, 5)
    assert labels is not None
    told = pipe(4, labels.tolist(), 3.0, 5, latents=start, output_type="pt").images
    ours = run.sample(4, label=labels, guidance=3.0, steps=5, seed=3).float() / 255
    assert (told - ours).abs().max() < 1.01 / 255
    assert "is no class of this run" in refused(pipe, 1, "cat")
    assert "output_type='jpg'" in refused(pipe, output_type="jpg")
    assert "batch_size=0" in refused(pipe, 0)
    assert "latents: have shape" in refused(pipe, 2, latents=torch.zeros(1, 1, 8, 8))


def test_shared_runs_are_runs(make_run: MakeRun, tmp_path: Path, refused: Refused) -> None:
    run = make_run("heat")
    folder = run.save_pretrained(tmp_path / "shared")
    again = Run.from_pretrained(folder)
    assert again.step == run.step
    last = load(run.path, step_weights="model").sample(2, steps=3)
    assert torch.equal(again.sample(3, seed=1, steps=4), run.sample(3, seed=1, steps=4))
    assert torch.equal(load(folder, step_weights="model").sample(2, steps=3), last)
    assert sum(f.stat().st_size for f in folder.rglob("optimizer.safetensors")) < 100
    message = refused(unstir.fit, "heat", "digits", out=folder, resume=True, steps=4)
    assert "was shared without what resuming needs" in message
    (folder / "data.json").write_text("{}")
    assert "data.json is damaged" in refused(Run.from_pretrained, folder)


def test_pushing_uploads_the_folder(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network: the upload is taken by a stand-in, which sees what would be sent."""
    from huggingface_hub import hub_mixin

    sent: dict[str, Any] = {}

    class Api:
        def __init__(self, token: str | None = None) -> None:
            sent["token"] = token

        def create_repo(self, repo_id: str, **options: Any) -> Any:  # noqa: ANN401
            sent["repo"] = repo_id
            return type("Repo", (), {"repo_id": repo_id})

        def upload_folder(self, *, repo_id: str, folder_path: Path, **options: Any) -> str:  # noqa: ANN401
            folder = Path(folder_path)
            sent["files"] = sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file())
            sent["card"] = (folder / "README.md").read_text()
            return f"https://example.org/{repo_id}/commit/1"

    monkeypatch.setattr(hub_mixin, "HfApi", Api)
    run = make_run("poisson:D=128")
    address = run.push_to_hub("someone/digits", token="t")  # noqa: S106
    assert address == "https://example.org/someone/digits/commit/1"
    assert (sent["repo"], sent["token"]) == ("someone/digits", "t")
    assert {"config.yaml", "data.json", "README.md", "config.json"} <= set(sent["files"])
    assert any(name.endswith("ema.safetensors") for name in sent["files"])
    assert 'Run.from_pretrained("someone/digits")' in sent["card"]


def test_the_card_says_what_the_run_is(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run("yukawa:kappa=2", "two-moons")
    figures = {"n": 100, "samples": {"mmd": 0.25}, "baseline": {"mmd": 0.5}, "floor": None}
    (run.path / "evaluation.json").write_text(json.dumps(figures))
    for form, line in (("diffusers", "DiffusionPipeline.from_pretrained"), ("hub", "Run.from_pretrained")):
        folder = export(run, tmp_path / form, form)
        text = (folder / "README.md").read_text()
        assert "`yukawa:kappa=2`" in text
        assert "two-moons: tables of 2" in text
        assert "| mmd | 0.25 | 0.5 |" in text
        assert line in text
        data = ModelCard(text).data
        assert data.library_name == ("diffusers" if form == "diffusers" else "unstir")
        assert "yukawa" in data.tags
        code = text.split("```python\n")[1].split("```")[0].replace("FOLDER", str(folder))
        space: dict[str, Any] = {}
        exec(compile(code, "card", "exec"), space)  # noqa: S102
        assert space["samples"].shape == (4, 2)


def test_the_command_line(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run("poisson:D=128")
    arguments = ["export", str(run.path), "--out", str(tmp_path / "a"), "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["step"] == run.step
    assert told["bytes"] == sum(f.stat().st_size for f in (tmp_path / "a").rglob("*") if f.is_file())
    again = CliRunner().invoke(app, arguments[:-1])
    assert "is there already" in str(again.exception)


def test_what_cannot_be_exported(make_run: MakeRun, tmp_path: Path, refused: Refused) -> None:
    out = tmp_path / "out"
    kac = make_run("kac", "two-moons")
    assert "has a law of its own" in refused(export, kac, out)
    student = make_run("edm", "two-moons", objective="consistency")
    assert "distilled" in refused(export, student, out)
    assert "format='onnx'" in refused(export, kac, out, "onnx")
    assert not list(tmp_path.iterdir())
