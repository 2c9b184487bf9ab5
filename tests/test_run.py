"""A run in Python: fit, load, sample, log_likelihood, evaluate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import unstir
from unstir import physics
from unstir.data import Dataset, load, save_samples
from unstir.evaluation import compare
from unstir.fitting import new_run_path
from unstir.flow import Heun
from unstir.gallery import write_gallery
from unstir.run import Run
from unstir.train import make_config, save_checkpoint

Refused = Callable[..., str]

MLP = {"width": 16, "depth": 1}
UNET = {"width": 8, "layers": 1, "middle": 1}
MEAN, STD = (3.0, -200.0), (2.0, 50.0)


class Nothing(nn.Module):
    """F = 0, with a parameter so that it can be trained: then D = c_skip x, exact for Gaussian data."""

    def __init__(self) -> None:
        super().__init__()
        self.zero = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None) -> Tensor:
        return x * self.zero


def gaussian(n: int = 400) -> Tensor:
    """Normal points whose mean and deviation are exactly `MEAN` and `STD`."""
    x = torch.randn((n, 2), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = (x - x.mean(0)) / x.std(0, correction=0)
    return (torch.tensor(MEAN) + torch.tensor(STD) * x).float()


def fit(data: Any = "two-moons", out: Path | None = None, **options: Any) -> Run:  # noqa: ANN401
    options = {"steps": 30, "batch": 32, "network_options": MLP, "process": "edm"} | options
    return unstir.fit(options.pop("process"), data, out=out, **options)


@pytest.fixture(scope="module", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """fsync can take seconds where others write, and no test pulls the plug."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        yield


@pytest.fixture(scope="module")
def normal(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose field is that of the normal law with the mean and deviation of `gaussian()`."""
    path = tmp_path_factory.mktemp("runs") / "normal"
    options: dict[str, Any] = {"network": Nothing(), "network_options": {}, "lr": 1e-12, "holdout": 0}
    return fit(gaussian(), path, steps=1, **options)


@pytest.fixture(scope="module")
def moons(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return fit(out=tmp_path_factory.mktemp("runs") / "moons", steps=400, lr=5e-3, process="poisson:D=128")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("runs") / "digits"
    return fit("digits", path, steps=3, batch=8, network_options=UNET)


def test_samples_of_a_normal_law_have_its_moments_in_the_data_s_units(normal: Run) -> None:
    samples = normal.sample(4000, solver="heun")
    assert (samples.dtype, samples.shape) == (torch.float32, (4000, 2))
    error = (samples.mean(0) - torch.tensor(MEAN)) / torch.tensor(STD)
    assert error.abs().max() < 4 / 4000**0.5
    assert samples.std(0).tolist() == pytest.approx(STD, rel=4 / 8000**0.5)


def test_the_likelihood_of_a_normal_law_is_its_density_in_the_data_s_units(normal: Run) -> None:
    values = gaussian()[:100]
    got = normal.log_likelihood(values, probes=1)
    law = torch.distributions.Normal(torch.tensor(MEAN).double(), torch.tensor(STD).double())
    assert torch.allclose(got, law.log_prob(values.double()).sum(1), atol=1e-2)


def test_the_likelihood_of_images_counts_every_pixel(tmp_path: Path) -> None:
    """Pixels of a normal law: log density = that of the model units, less pixels times ln(scale)."""
    pixels = (128 + 40 * torch.randn((200, 1, 3, 3), generator=torch.Generator().manual_seed(0))).round()
    data = Dataset("pixels", "image", pixels.clamp(0, 255).to(torch.uint8))
    run = fit(data, tmp_path / "run", steps=1, network=Nothing(), network_options={}, lr=1e-12, holdout=0)
    flat = data.values.double()
    law = torch.distributions.Normal(flat.mean(), flat.std(correction=0))
    expected = law.log_prob(flat[:20]).flatten(1).sum(1)
    assert torch.allclose(run.log_likelihood(data.values[:20]), expected, atol=2e-2)


def test_training_brings_the_samples_to_the_data(moons: Run) -> None:
    train, heldout = moons.data()
    evaluation = moons.evaluate(n=500)
    untrained = 1.0 * torch.randn((500, 2), generator=torch.Generator().manual_seed(0))
    worse = compare(untrained, train, heldout)
    assert evaluation.samples.sliced_wasserstein < 0.5 * worse.samples.sliced_wasserstein
    assert evaluation.n == 500
    assert evaluation.floor is not None
    assert evaluation.floor.sliced_wasserstein < evaluation.samples.sliced_wasserstein


def test_a_sample_depends_on_seed_and_index_alone(moons: Run) -> None:
    samples = moons.sample(20, seed=3)
    assert torch.equal(moons.sample(20, seed=3), samples)
    assert not torch.equal(moons.sample(20, seed=4), samples)
    for options in ({"batch": 7}, {"batch": 1}, {"batch": 1000}):
        assert torch.allclose(moons.sample(20, seed=3, **options), samples, atol=1e-4)
    assert torch.allclose(moons.sample(5, seed=3, first=12), samples[12:17], atol=1e-4)


def test_solvers_by_name_and_by_object(moons: Run) -> None:
    assert torch.equal(moons.sample(5, solver="heun", steps=9), moons.sample(5, solver=Heun(), steps=9))
    assert not torch.allclose(moons.sample(5, solver="euler", steps=9), moons.sample(5, steps=9), atol=1e-3)


def test_progress_is_watched(moons: Run) -> None:
    seen: list[tuple[int, int]] = []
    moons.sample(10, batch=4, steps=5, watch=lambda p: seen.append((p.first, p.step.index)))
    assert seen == [(first, index) for first in (0, 4, 8) for index in range(6)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n": 0}, "n=0"),
        ({"n": -3}, "n=-3"),
        ({"n": 3, "steps": 0}, "steps=0"),
        ({"n": 3, "batch": 0}, "batch=0"),
        ({"n": 3, "first": -1}, "first=-1"),
        ({"n": 3, "seed": -1}, "seed=-1"),
        ({"n": 3, "solver": "huen"}, "did you mean heun?"),
        ({"n": 3, "solver": "heun:order=2"}, "no parameter 'order'"),
    ],
)
def test_arguments_of_sample_out_of_range(
    moons: Run, refused: Refused, options: dict[str, Any], said: str
) -> None:
    assert said in refused(moons.sample, **options)


def test_images_are_bytes(digits: Run) -> None:
    samples = digits.sample(6, steps=3)
    assert (samples.dtype, samples.shape) == (torch.uint8, (6, 1, 8, 8))
    assert digits.config.network == "patch-unet"
    assert digits.info.kind == "image"


def test_a_field_that_is_not_finite_is_said(moons: Run, refused: Refused) -> None:
    state = {key: value.clone() for key, value in moons.field.state_dict().items()}
    moons.field.network.output.bias.fill_(float("nan"))  # type: ignore[operator, union-attr]
    assert "gives values that are not finite; train it again" in refused(moons.sample, 3)
    moons.field.load_state_dict(state)


def test_load_gives_the_averaged_weights_or_the_last(moons: Run) -> None:
    from unstir.train import load_checkpoint

    tensors = load_checkpoint(moons.path).tensors
    for which in ("ema", "model"):
        run = unstir.load(moons.path, step_weights=which)
        for key, value in run.field.state_dict().items():
            assert torch.equal(value, tensors[which][key])
    assert not torch.equal(tensors["ema"]["network.output.bias"], tensors["model"]["network.output.bias"])


def test_a_loaded_run_is_the_one_that_was_fitted(moons: Run) -> None:
    run = unstir.load(str(moons.path))
    assert (run.config, run.info, run.step, run.passed_over) == (moons.config, moons.info, 400, ())
    assert torch.equal(run.sample(4), moons.sample(4))
    assert not run.field.training
    assert not any(parameter.requires_grad for parameter in run.field.parameters())
    assert run.process == physics.poisson(128)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"step_weights": "best"}, "give ema or model"),
        ({"device": "warp"}, "device=warp: is no device known"),
    ],
)
def test_arguments_of_load(moons: Run, refused: Refused, options: dict[str, str], said: str) -> None:
    assert said in refused(unstir.load, moons.path, **options)


def test_no_run_there(tmp_path: Path, refused: Refused) -> None:
    assert "is no run folder" in refused(unstir.load, tmp_path)
    assert "is no run folder" in refused(unstir.load, tmp_path / "absent")


def copy(run: Run, path: Path) -> Path:
    import shutil

    shutil.copytree(run.path, path)
    return path


def test_a_checkpoint_of_another_shape_is_passed_over(tmp_path: Path, moons: Run, refused: Refused) -> None:
    from unstir.train import load_checkpoint

    path = copy(moons, tmp_path / "run")
    found = load_checkpoint(path)
    tensors = dict(found.tensors)
    tensors["ema"] = tensors["ema"] | {"network.output.bias": torch.zeros(9)}
    save_checkpoint(path, 500, tensors, {})
    run = unstir.load(path)
    assert run.step == 400
    assert run.passed_over == (
        "step-000500: ema.safetensors is of another shape: network.output.bias is (9,), in this run (2,)",
    )
    text = (path / "config.yaml").read_text()
    (path / "config.yaml").write_text(text.replace("width: 16", "width: 17"))
    message = refused(unstir.load, path)
    assert "step-000500" in message
    assert "step-000400" in message


@pytest.mark.parametrize("kind", ["array", "tensor", "dataset", "npy", "path"])
def test_data_of_every_kind_train_alike(tmp_path: Path, kind: str) -> None:
    values = gaussian(60)
    file = tmp_path / "x.npy"
    np.save(file, values.numpy())
    data = {
        "array": values.numpy(),
        "tensor": values,
        "dataset": load(values),
        "npy": str(file),
        "path": file,
    }[kind]
    run = fit(data, tmp_path / "run", steps=3)
    assert run.config.data == (str(file) if kind in ("npy", "path") else "array")
    assert (run.info.shape, run.info.count) == ((2,), 60)
    reference = fit(values, tmp_path / "reference", steps=3)
    assert torch.equal(run.sample(3), reference.sample(3))


def test_images_as_an_array(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (30, 6, 5), dtype=np.uint8)
    run = fit(values, tmp_path / "run", steps=2, batch=4, network_options=UNET)
    assert run.sample(2, steps=2).shape == (2, 1, 6, 5)


def test_processes_by_name_and_by_object(tmp_path: Path) -> None:
    one = fit(gaussian(60), tmp_path / "a", steps=2, process="yukawa:kappa=2")
    two = fit(gaussian(60), tmp_path / "b", steps=2, process=physics.yukawa(2.0))
    assert one.config == two.config
    assert one.process == two.process == physics.yukawa(2.0)


def test_a_process_that_its_name_does_not_say_is_refused(tmp_path: Path, refused: Refused) -> None:
    message = refused(fit, gaussian(60), tmp_path / "run", process=physics.edm().fitted(3.0))
    assert message == "process edm: is not the one of that name; give one made by unstir.physics"


@pytest.mark.parametrize("entry", physics.entries(), ids=lambda entry: entry.name)
def test_every_process_trains_and_samples(tmp_path: Path, entry: physics.Entry) -> None:
    if entry.name == "bridge":  # it restores images, and nothing else
        source = torch.Generator().manual_seed(0)
        pictures = torch.randint(256, (60, 4, 4), generator=source).to(torch.uint8)
        run = unstir.fit(
            "bridge", pictures, steps=3, out=tmp_path / "run", network="mlp", network_options=MLP
        )
    else:
        run = fit(gaussian(60), tmp_path / "run", steps=3, process=entry.name)
    assert bool(run.sample(4, steps=5).isfinite().all())


def test_a_module_of_one_s_own(tmp_path: Path, refused: Refused) -> None:
    run = fit(gaussian(60), tmp_path / "run", steps=3, network=Nothing(), network_options={})
    assert run.config.network == "custom"
    assert "give it as network=..." in refused(unstir.load, tmp_path / "run")
    again = unstir.load(tmp_path / "run", network=Nothing())
    assert torch.equal(again.sample(3), run.sample(3))


def test_a_minute_is_the_default_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from unstir.train.folder import read_run_config

    monkeypatch.setattr("unstir.fitting.training", lambda this: iter([]))
    with pytest.raises(ValueError, match="has no checkpoint yet"):
        unstir.fit("edm", gaussian(60), out=tmp_path / "run", network_options=MLP)
    assert read_run_config(tmp_path / "run").minutes == 1.0


def test_fit_resumes_to_the_same_bits(tmp_path: Path) -> None:
    straight = fit(gaussian(60), tmp_path / "straight")

    def interrupt(step: Any) -> None:  # noqa: ANN401
        if step.index == 13:
            import signal

            signal.raise_signal(signal.SIGINT)

    stopped = fit(gaussian(60), tmp_path / "run", watch=interrupt)
    assert stopped.step == 13
    resumed = fit(gaussian(60), tmp_path / "run", resume=True)
    assert resumed.step == 30
    for key, value in straight.field.state_dict().items():
        assert torch.equal(value, resumed.field.state_dict()[key])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lr": 0.1}, "lr=0.1: the run began with 0.002; give that, or leave it out"),
        ({"steps": 31}, "steps=31: the run began with 30"),
        ({"steps": None, "minutes": 2.0}, "minutes=2.0: the run began with None"),
        ({"process": "vp"}, "process=vp: the run began with edm"),
        ({"network_options": {"width": 8}}, "the run began with {'width': 16, 'depth': 1}"),
        ({"data": "two-moons"}, "data=two-moons: the run began with array"),
        ({"data": gaussian(61)}, "data array: are not those that run"),
        ({"nonsense": 3}, "nonsense: is no option"),
        ({"network": "unet"}, "network=unet: the run began with mlp"),
        ({"out": None}, "give the run's folder as out=..."),
        ({"out": Path("absent")}, "is no run folder"),
    ],
)
def test_resuming_with_anything_else_is_refused(
    tmp_path: Path, refused: Refused, options: dict[str, Any], said: str
) -> None:
    fit(gaussian(60), tmp_path / "run")
    given = {"data": gaussian(60), "out": tmp_path / "run", "resume": True} | options
    assert said in refused(fit, **given)


def test_resuming_needs_no_options(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", gaussian(60).numpy())
    fit(tmp_path / "x.npy", tmp_path / "run", seed=3)
    for network in (None, "auto", "mlp"):
        run = unstir.fit("edm", tmp_path / "x.npy", out=tmp_path / "run", resume=True, network=network)
        assert run.step == 30


def test_evaluate_is_the_library_s_own_measure(moons: Run) -> None:
    from unstir.measure import evaluate

    train, heldout = moons.data()
    expected = evaluate(moons.sample(300), heldout.values, train=train.values, labels=heldout.labels)
    assert replace(moons.evaluate(300), columns=None, classes=None) == expected  # which stand beside
    assert moons.evaluate(300, features="pca:1").features == "pca:1"


def test_evaluate_without_data_to_compare_with(
    tmp_path: Path, normal: Run, moons: Run, refused: Refused
) -> None:
    assert "were an array in Python; save them, and compare with that file" in refused(normal.evaluate)
    np.save(tmp_path / "x.npy", gaussian(60).numpy())
    run = fit(tmp_path / "x.npy", tmp_path / "run", steps=2, holdout=0)
    assert refused(run.evaluate).startswith("holdout=0: nothing was held out")
    np.save(tmp_path / "x.npy", gaussian(60).numpy()[::-1].copy())
    assert "have changed since run" in refused(run.data)
    (tmp_path / "x.npy").unlink()
    assert "is no path" in refused(run.data)
    assert "is unknown: give one of pixels" in refused(moons.evaluate, features="vibes")


def test_a_new_folder_is_found_for_each_run(tmp_path: Path) -> None:
    config = make_config({"data": "/data/my moons.npz", "process": "poisson:D=128,sigma_max=40", "steps": 1})
    first = new_run_path(config, tmp_path)
    assert first == tmp_path / "my moons-poisson-D128-sigma_max40"
    first.mkdir()
    assert new_run_path(config, tmp_path).name == f"{first.name}-2"


def test_fit_makes_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("array-edm", "array-edm-2"):
        assert fit(gaussian(60), steps=1).path == Path("runs") / name


def test_the_gallery_of_images(digits: Run) -> None:
    train, heldout = digits.data()
    samples = digits.sample(30, steps=2)
    made = write_gallery(digits, train, samples, compare(samples, train, heldout))
    assert [path.name for path in made] == ["samples.png", "nearest.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in made)
    report = json.loads((digits.path / "evaluation.json").read_text())
    assert report["n"] == 30


def test_the_gallery_of_points(moons: Run, tmp_path: Path) -> None:
    train, _ = moons.data()
    samples = moons.sample(10, steps=2)
    made = write_gallery(moons, train, samples, None)
    assert [path.name for path in made] == ["samples.npz", "samples.png"]
    assert torch.equal(load(made[0]).values, samples)
    assert not (moons.path / "evaluation.json").exists()
    save_samples(tmp_path / "x.npz", samples)
    assert np.load(tmp_path / "x.npz")["samples"].dtype == np.float32


SCRIPT = """
import sys
import unstir
assert unstir.__version__
assert "physics" in dir(unstir)
def heavy():
    return {"torch", "numpy", "scipy", "sklearn", "diffusers"} & set(sys.modules)
assert not heavy(), heavy()
sys.argv = ["unstir", "--help"]
from unstir.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
assert not heavy(), heavy()
assert unstir.physics.edm().name == "edm"
assert unstir.flow and unstir.fields and unstir.data and unstir.measure
assert unstir.sample and unstir.log_likelihood and unstir.fit and unstir.load and unstir.Run
assert issubclass(unstir.InputError, ValueError)
try:
    unstir.nonsense
except AttributeError as error:
    assert "nonsense" in str(error)
else:
    raise AssertionError
"""


def test_importing_and_asking_for_help_load_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "processes" in done.stdout
