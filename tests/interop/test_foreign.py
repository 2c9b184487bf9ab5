"""Pipelines of diffusers sampled by our solvers, against its own samplers, on networks made on the spot."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import DDIMPipeline, DDIMScheduler, DDPMPipeline, DDPMScheduler, UNet2DModel
from diffusers.schedulers import scheduling_ddpm
from torch import Tensor
from typer.testing import CliRunner

import unstir
from unstir.cli import app
from unstir.data import load
from unstir.flow import log_likelihood, solvers
from unstir.flow.sampling import trajectory
from unstir.flow.stochastic import Ancestral
from unstir.flow.streams import Streams
from unstir.interop import export, from_diffusers
from unstir.interop.tabulated import Tabulated
from unstir.physics import LinearProcess
from unstir.run import Run
from unstir.untrained import Untrained

Refused = Callable[..., str]
MakeRun = Callable[..., Run]

DDIM = "multistep:order=1,corrector=no"
SHAPE = (1, 8, 8)


def network(**options: Any) -> UNet2DModel:  # noqa: ANN401
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = UNet2DModel(
            **{"sample_size": 8, "in_channels": 1, "out_channels": 1} | options,
            block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=4,
            down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2,
        )  # fmt: skip
    return made.eval().requires_grad_(False)


def noise(n: int = 4, seed: int = 0) -> Tensor:
    return torch.randn((n, *SHAPE), generator=torch.Generator().manual_seed(seed))


def saved(pipeline: Any, folder: Path) -> Untrained:  # noqa: ANN401
    pipeline.save_pretrained(folder)
    return from_diffusers(folder, device="cpu")


def walked(source: Untrained, x: Tensor, times: Tensor, solver: Any = DDIM, **options: Any) -> Tensor:  # noqa: ANN401
    given = solvers(source.process)["multistep"](1, False) if solver == DDIM else solver
    *_, last = trajectory(source.process, source.field, x, solver=given, times=times.tolist(), **options)
    return last.state


@pytest.mark.parametrize("betas", ["linear", "scaled_linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize("prediction", ["epsilon", "sample", "v_prediction"])
def test_ddim(betas: str, prediction: str, tmp_path: Path) -> None:
    pipe = DDIMPipeline(
        network(), DDIMScheduler(beta_schedule=betas, prediction_type=prediction, clip_sample=False)
    )
    source = saved(pipe, tmp_path)
    pipe.scheduler.set_timesteps(25)
    x = start = noise()
    for t in pipe.scheduler.timesteps:
        x = pipe.scheduler.step(pipe.unet(x, t).sample, t, x).prev_sample
    ours = walked(source, start, pipe.scheduler.timesteps)
    scale = float(x.abs().max())  # 1/A = 150 makes answers large where ε is predicted at t = 999
    assert float((ours - x).abs().max()) < 1e-4 * max(1.0, scale)


def test_ddim_clipped(tmp_path: Path) -> None:
    """With clip_sample D is held within ±1, and ε follows: diffusers' use_clipped_model_output."""
    pipe = DDIMPipeline(network(), DDIMScheduler())
    source = saved(pipe, tmp_path)
    pipe.scheduler.set_timesteps(20)
    x = start = noise()
    for t in pipe.scheduler.timesteps:
        answer = pipe.unet(x, t).sample
        x = pipe.scheduler.step(answer, t, x, use_clipped_model_output=True).prev_sample
    torch.testing.assert_close(walked(source, start, pipe.scheduler.timesteps), x, rtol=0, atol=1e-4)
    assert float(x.abs().max()) <= 1


def test_ddim_that_ends_at_its_first_time(tmp_path: Path) -> None:
    """set_alpha_to_one=False leaves the state at time step 0; ours is that without the last denoising."""
    pipe = DDIMPipeline(network(), DDIMScheduler(clip_sample=False, set_alpha_to_one=False))
    source = saved(pipe, tmp_path)
    pipe.scheduler.set_timesteps(20)
    x = start = noise()
    for t in pipe.scheduler.timesteps:
        x = pipe.scheduler.step(pipe.unet(x, t).sample, t, x).prev_sample
    ours = walked(source, start, pipe.scheduler.timesteps, denoise=False)
    torch.testing.assert_close(ours, x, rtol=1e-4, atol=1e-4)


def test_ddpm_draw_by_draw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given the same draws the states are the same: stronger than the same law."""
    pipe = DDPMPipeline(network(), DDPMScheduler(variance_type="fixed_small"))
    source = saved(pipe, tmp_path)
    pipe.scheduler.set_timesteps(50)
    streams = Streams(0, 0, 4)
    monkeypatch.setattr(scheduling_ddpm, "randn_tensor", lambda *_a, **_o: streams.normal(noise())[0])
    x = start = noise()
    for t in pipe.scheduler.timesteps:
        x = pipe.scheduler.step(pipe.unet(x, t).sample, t, x).prev_sample
    ours = walked(source, start, pipe.scheduler.timesteps, Ancestral(), streams=Streams(0, 0, 4))
    torch.testing.assert_close(ours, x, rtol=0, atol=1e-4)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("sigma_data", [0.5, 0.25])
def test_edm_euler(prediction: str, sigma_data: float, tmp_path: Path) -> None:
    scheduler = diffusers.EDMEulerScheduler(prediction_type=prediction, sigma_data=sigma_data)
    unet = network()
    source = saved(DDPMPipeline(unet, scheduler), tmp_path)
    scheduler.set_timesteps(15)
    x = start = 80 * noise()
    for t in scheduler.timesteps:
        answer = unet(scheduler.scale_model_input(x, t), t).sample
        x = scheduler.step(answer, t, x).prev_sample
    assert isinstance(source.process, LinearProcess)
    times = source.process.time_at(scheduler.sigmas[:-1].double())
    ours = walked(source, start, times, solvers(source.process)["euler"]())
    torch.testing.assert_close(ours, x, rtol=0, atol=1e-4)
    assert float(source.process.B(torch.tensor(source.process.t_max))) == pytest.approx(80)


@pytest.mark.parametrize(
    "name", ["EulerDiscreteScheduler", "HeunDiscreteScheduler", "DPMSolverMultistepScheduler"]
)
def test_other_schedulers_say_the_same_of_the_network(name: str, tmp_path: Path) -> None:
    """Whatever sampler lies in the folder, the field is the network's own."""
    first = saved(DDPMPipeline(network(), DDPMScheduler(clip_sample=False)), tmp_path / "a")
    scheduler = getattr(diffusers, name)(beta_start=0.0001, beta_end=0.02, beta_schedule="linear")
    other = from_diffusers(DDPMPipeline(network(), scheduler), device="cpu")
    t = torch.tensor([10.0, 500.0, 700.5, 998.0])
    torch.testing.assert_close(other.field(noise(), t, None), first.field(noise(), t, None))


def test_flow_matching(tmp_path: Path) -> None:
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler()
    unet = network()
    source = saved(DDPMPipeline(unet, scheduler), tmp_path)
    scheduler.set_timesteps(12)
    x = start = noise()
    for t in scheduler.timesteps:
        x = scheduler.step(unet(x, t).sample, t, x).prev_sample
    # Theirs begins at noise alone, t = 1, where D needs no division either.
    ours = walked(source, start, scheduler.sigmas[:-1].double(), solvers(source.process)["euler"]())
    torch.testing.assert_close(ours, x, rtol=0, atol=1e-4)


def test_every_solver_samples_it(tmp_path: Path) -> None:
    source = saved(DDPMPipeline(network(), DDPMScheduler()), tmp_path)
    for name in solvers(source.process):
        coarse = "adaptive:rtol=0.1,atol=0.1" if name == "adaptive" else name  # a random network is rough
        images = source.sample(2, solver=coarse, steps=5)
        assert images.dtype == torch.uint8
        assert tuple(images.shape) == (2, *SHAPE)
    assert isinstance(source.process, LinearProcess)
    density = log_likelihood(source.process, source.field, noise(1) / 2, rtol=0.1, atol=0.1)
    assert bool(density.isfinite().all())
    x = noise(2).requires_grad_()
    t = torch.full((2,), 300.0)
    field = from_diffusers(DDPMPipeline(network(), DDPMScheduler(clip_sample=False))).field
    slope = torch.autograd.grad(field(x, t, None).sum(), x)[0][0, 0, 3, 3]  # which likelihoods need
    step = torch.zeros_like(x)
    step[0, 0, 3, 3] = 1e-2
    change = float((field(x + step, t, None) - field(x - step, t, None)).detach().sum()) / 2e-2
    assert float(slope) == pytest.approx(change, rel=1e-2)


def test_classes_are_asked_for(tmp_path: Path, refused: Refused) -> None:
    source = saved(DDPMPipeline(network(num_class_embeds=3), DDPMScheduler()), tmp_path)
    assert source.classes == ("0", "1", "2")
    told = [source.sample(2, label=c, steps=4) for c in ("0", "2")]
    assert not torch.equal(*told)
    assert "needs one of its 3 classes" in refused(source.field, noise(), torch.full((4,), 3.0))
    assert "is no class" in refused(source.sample, 1, label="7")


def test_a_network_that_answers_with_a_variance_too(tmp_path: Path) -> None:
    unet = network(out_channels=2)
    source = saved(DDPMPipeline(unet, DDPMScheduler(variance_type="learned_range")), tmp_path)
    plain = from_diffusers(DDPMPipeline(unet, DDPMScheduler()), device="cpu")
    t = torch.full((4,), 400.0)
    d = source.field(noise(), t, None)
    assert tuple(d.shape) == (4, *SHAPE)
    torch.testing.assert_close(d, plain.field(noise(), t, None))


def test_our_own_folders_come_back(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run("blurring")
    source = from_diffusers(export(run, tmp_path / "out"), device="cpu")
    assert torch.equal(source.sample(4, steps=4, seed=2), run.sample(4, steps=4, seed=2))
    assert source.classes == run.classes


def test_the_command_line(tmp_path: Path) -> None:
    DDPMPipeline(network(), DDPMScheduler()).save_pretrained(tmp_path / "pipe")
    arguments = [
        "sample",
        "--diffusers",
        str(tmp_path / "pipe"),
        "-n",
        "3",
        "--steps",
        "3",
        "--solver",
        "heun",
    ]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "a.npz")])
    assert result.exit_code == 0, result.output
    images = np.load(tmp_path / "a.npz")["samples"]
    ours = from_diffusers(tmp_path / "pipe", device="cpu").sample(3, steps=3, solver="heun")
    assert np.array_equal(images, ours[:, 0].numpy())
    assert len(load(tmp_path / "a.npz")) == 3


@pytest.mark.parametrize("betas", ["linear", "squaredcos_cap_v2"])
def test_the_table_is_met_and_smooth(betas: str) -> None:
    alphas = DDPMScheduler(beta_schedule=betas).alphas_cumprod.double()
    schedule = Tabulated(tuple(alphas.tolist()))
    t = torch.arange(1000, dtype=torch.float64)
    torch.testing.assert_close(schedule.A(t) ** 2, alphas, rtol=1e-9, atol=0)
    torch.testing.assert_close(schedule.A(t) ** 2 + schedule.B(t) ** 2, torch.ones_like(t))
    between = t[:-1] + 0.37
    assert bool(
        ((schedule.A(between) < schedule.A(t[:-1])) & (schedule.A(between) > schedule.A(t[1:]))).all()
    )
    for value, slope in ((schedule.A, schedule.dA), (schedule.B, schedule.dB)):
        difference = (value(between + 1e-5) - value(between - 1e-5)) / 2e-5
        torch.testing.assert_close(difference, slope(between), rtol=1e-4, atol=1e-9)
    torch.testing.assert_close(schedule.time_at(schedule.B(between) / schedule.A(between)), between)


def test_a_last_step_without_signal() -> None:
    """Betas rescaled to end in noise alone (Lin 2024): v is predicted there, and D is finite."""
    scheduler = DDIMScheduler(rescale_betas_zero_snr=True, prediction_type="v_prediction", clip_sample=False,
                              timestep_spacing="trailing")  # fmt: skip
    pipe = DDIMPipeline(network(), scheduler)
    source = from_diffusers(pipe, device="cpu")
    pipe.scheduler.set_timesteps(10)
    x = start = noise()
    for t in pipe.scheduler.timesteps:
        x = pipe.scheduler.step(pipe.unet(x, t).sample, t, x).prev_sample
    torch.testing.assert_close(walked(source, start, pipe.scheduler.timesteps), x, rtol=0, atol=1e-4)


def test_what_is_refused(tmp_path: Path, refused: Refused) -> None:
    folder = tmp_path / "pipe"
    assert "is no pipeline folder" in refused(from_diffusers, folder)
    DDPMPipeline(network(), DDPMScheduler()).save_pretrained(folder, safe_serialization=False)
    message = refused(from_diffusers, folder)
    assert "weights must be safetensors, never pickles" in message
    DDPMPipeline(network(), DDPMScheduler()).save_pretrained(folder)
    index = folder / "model_index.json"
    good = json.loads(index.read_text())
    for changed, told in (
        ({"unet": ["os", "system"]}, "its unet is 'os.system'"),
        ({"unet": ["diffusers", "DiTTransformer2DModel"]}, "give a pipeline of a diffusers.UNet2DModel"),
        ({"scheduler": ["subprocess", "Popen"]}, "its scheduler 'subprocess.Popen' is none of diffusers'"),
        ({"scheduler": ["diffusers", "UNet2DModel"]}, "is none of diffusers'"),
        ({"unet": None}, "has no unet"),
    ):
        index.write_text(json.dumps(good | changed))
        assert told in refused(from_diffusers, folder)
    index.write_text("[" * 100_000)
    assert "is not JSON" in refused(from_diffusers, folder)
    index.write_text("3")
    assert "is not a mapping" in refused(from_diffusers, folder)
    assert "has no unet and scheduler" in refused(from_diffusers, object())
    pipe = DDPMPipeline(network(), DDPMScheduler(thresholding=True))
    assert "thresholding=True" in refused(from_diffusers, pipe)
    pipe = DDPMPipeline(network(sample_size=None), DDPMScheduler())
    assert "give shape=" in refused(from_diffusers, pipe)
    assert from_diffusers(pipe, shape=(1, 16, 16), device="cpu").info.shape == (1, 16, 16)
    assert "alphas: 1 values" in refused(Tabulated, (0.5,))
    assert "do not fall" in refused(Tabulated, (0.5, 0.6))
    assert unstir.InputError is not None
