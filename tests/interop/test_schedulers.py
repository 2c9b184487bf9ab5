"""Schedulers walk as our solver does, and training code of diffusers can take them for its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, DDPMPipeline, UNet2DModel
from torch import Tensor

from unstir import physics
from unstir.flow import Multistep, sample_steps
from unstir.flow.sampling import trajectory
from unstir.interop import schedulers
from unstir.interop.rescaled import Rescaled
from unstir.physics import LinearProcess

Refused = Callable[..., str]
Mixture = Callable[[LinearProcess, int], Any]

PROCESSES = ["poisson:D=128", "poisson:D=2", "yukawa:kappa=1", "levy:alpha=1.8", "edm", "ve", "vp"]
PROCESSES += ["rectified"]


def parsed(name: str) -> LinearProcess:
    process = physics.parse(name)
    assert isinstance(process, LinearProcess)
    return process


def answers(scheduler: schedulers.LinearScheduler, x: Tensor, t: Tensor, d: Tensor) -> Tensor:
    """What a perfect network answers where the denoised state is `d`: worked out from A and B by hand."""
    process = scheduler.process
    time = scheduler.time_of(t)
    A, B = process.A(time).float(), process.B(time).float()
    s = torch.hypot(A, B) if scheduler.config.rescaled else torch.ones(())
    noise = (x * s - A * d) / B
    size = torch.hypot(A, B)
    return {"sample": d, "epsilon": noise, "v_prediction": (A * noise - B * d) / size}[
        scheduler.config.prediction_type
    ]


@pytest.mark.parametrize("rescaled", [True, False])
@pytest.mark.parametrize("kind", schedulers.PREDICTIONS)
@pytest.mark.parametrize("name", PROCESSES)
def test_steps_are_those_of_our_own_solver(name: str, kind: str, rescaled: bool, mixture: Mixture) -> None:
    process = parsed(name)
    field = mixture(process, 2)
    scheduler = schedulers.LinearScheduler(name, prediction_type=kind, rescaled=rescaled)
    x = process.prior(64, (2,), torch.Generator().manual_seed(0))
    *_, last = trajectory(process, field, x, steps=12)
    scheduler.set_timesteps(12)
    size = Rescaled(process.schedule).size(torch.tensor(process.t_max)) if rescaled else torch.ones(())
    state = x / size
    for t in scheduler.timesteps:
        time = scheduler.time_of(t)
        s = Rescaled(process.schedule).size(time).float() if rescaled else torch.ones(())
        d = field(state * s, time.float().expand(64), None)
        state = scheduler.step(answers(scheduler, state, t, d), t, state).prev_sample
    near = (state - last.state).abs().max()
    assert near < 1e-4 * max(1.0, float(last.state.abs().max())), near


@pytest.mark.parametrize("solver", ["multistep:order=1,corrector=no", "multistep:order=2"])
def test_other_orders_too(solver: str, mixture: Mixture) -> None:
    process = parsed("poisson:D=16")
    field = mixture(process, 2)
    scheduler = schedulers.PoissonScheduler("poisson:D=16", "sample", None, rescaled=False, solver=solver)
    x = process.prior(16, (2,), torch.Generator().manual_seed(0))
    order = 1 if "order=1" in solver else 2
    own = Multistep(order, corrector="corrector=no" not in solver)
    states = [p.step.state for p in sample_steps(process, field, 16, (2,), solver=own, steps=6, seed=0)]
    assert len(states) == 7
    *_, last = trajectory(process, field, x, solver=own, steps=6)
    scheduler.set_timesteps(6)
    for t in scheduler.timesteps:
        x = scheduler.step(field(x, t.float().expand(16), None), t, x, return_dict=False)[0]
    torch.testing.assert_close(x, last.state, rtol=1e-5, atol=1e-5)


def test_order_one_on_vp_is_ddim_of_diffusers() -> None:
    """The same betas, the same times: our exponential step of first order is DDIM's."""
    theirs = DDIMScheduler(clip_sample=False, set_alpha_to_one=False)
    theirs.set_timesteps(50)
    ratio = ((1 - theirs.alphas_cumprod) / theirs.alphas_cumprod).sqrt().double()
    vp = parsed("vp")
    times = vp.time_at(ratio[theirs.timesteps])
    ours = schedulers.LinearScheduler("vp", "epsilon", None, solver="multistep:order=1,corrector=no")
    ours.set_timesteps(times=times.tolist())
    generator = torch.Generator().manual_seed(0)
    x = y = torch.randn(8, 3, 4, 4, generator=generator)
    for t, mine in zip(theirs.timesteps[:-1], ours.timesteps[:-1], strict=True):
        x_noise, y_noise = torch.tanh(x), torch.tanh(y)
        x = theirs.step(x_noise, t, x).prev_sample
        y = ours.step(y_noise, mine, y).prev_sample
    torch.testing.assert_close(x, y, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [*PROCESSES, "oscillator", "heat", "blurring", "heat_poisson:D=8"])
def test_noise_is_added_as_the_process_perturbs(name: str) -> None:
    process = parsed(name)
    scheduler = schedulers.LinearScheduler(name, rescaled=False)
    data = torch.randn(5, 1, 6, 4, generator=torch.Generator().manual_seed(0))
    steps = torch.tensor([0, 10, 500, 900, 999])
    t = scheduler.time_of(steps)
    noise = scheduler.draw_noise(data, torch.Generator().manual_seed(1))
    ours = process.perturb(data, t, torch.Generator().manual_seed(1))
    torch.testing.assert_close(scheduler.add_noise(data, noise, steps), ours, rtol=1e-5, atol=1e-5)
    assert torch.equal(scheduler.timestep_of(t).round().long(), steps)
    assert t[0] == process.t_min
    assert t[-1] == process.t_max


@pytest.mark.parametrize("name", ["poisson:D=128", "rectified", "vp", "ve"])
def test_rescaled_paths_have_size_one_and_the_same_flow(name: str) -> None:
    process = parsed(name)
    schedule = Rescaled(process.schedule, 1.3)
    t = process.times(9)[1:-1]
    A, B = schedule.A(t), schedule.B(t)
    torch.testing.assert_close(A**2 + B**2, torch.ones_like(t))
    torch.testing.assert_close(B / A, 1.3 * process.schedule.B(t) / process.schedule.A(t))
    step = 1e-6 * t
    for value, slope in ((schedule.A, schedule.dA), (schedule.B, schedule.dB)):
        difference = (value(t + step) - value(t - step)) / (2 * step)
        torch.testing.assert_close(difference, slope(t), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(schedule.time_at(B / A), t, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", schedulers.PREDICTIONS)
def test_the_target_is_what_the_step_takes_back(kind: str) -> None:
    scheduler = schedulers.YukawaScheduler(prediction_type=kind)
    data = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    noise = scheduler.draw_noise(data, torch.Generator().manual_seed(1))
    scheduler.set_timesteps(7)
    t = scheduler.timesteps[3]
    x = scheduler.add_noise(data, noise, t)
    assert 0.5 < x.std() < 2  # rescaled
    found = scheduler.step(scheduler.get_target(data, noise, t.expand(4)), t, x)
    torch.testing.assert_close(found.pred_original_sample, data, rtol=1e-3, atol=1e-3)


def test_configs_are_kept(tmp_path: Path) -> None:
    first = schedulers.PoissonScheduler("poisson:D=64", clip_sample=True, std=0.25)
    first.save_pretrained(tmp_path)
    again = schedulers.PoissonScheduler.from_pretrained(tmp_path)
    for name, value in again.config.items():
        assert name.startswith("_") or first.config[name] == value
    assert again.process == first.process
    assert again.process.scale == 0.5
    assert len(again) == 1000
    assert schedulers.scheduler_class("heat_poisson:D=3") is schedulers.BlurringScheduler
    assert schedulers.scheduler_class("edm") is schedulers.LinearScheduler
    again = schedulers.LinearScheduler.from_config(schedulers.HeatScheduler().config)
    assert (again.process.name, again.config.prediction_type) == ("heat", "sample")
    assert schedulers.PoissonScheduler().config.prediction_type == "epsilon"
    assert schedulers.LinearScheduler.from_config(DDIMScheduler().config).process.name == "poisson:D=128"


def test_a_pipeline_of_diffusers_takes_it() -> None:
    unet = UNet2DModel(8, 1, 1, block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=4,
                       down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2)  # fmt: skip
    pipe = DDPMPipeline(unet, schedulers.PoissonScheduler(clip_sample=True))
    pipe.set_progress_bar_config(disable=True)
    images = pipe(2, torch.Generator().manual_seed(0), num_inference_steps=4, output_type="np").images
    assert images.shape == (2, 8, 8, 1)
    assert 0 <= images.min() < images.max() <= 1


def test_what_is_refused(refused: Refused) -> None:
    make = schedulers.LinearScheduler
    assert "linear processes" in refused(make, "kac")
    assert "prediction_type='noise'" in refused(make, "edm", "noise")
    assert "give prediction_type='sample'" in refused(schedulers.HeatScheduler, prediction_type="epsilon")
    assert "num_train_timesteps=1" in refused(make, num_train_timesteps=1)
    assert "solver=heun" in refused(make, solver="heun")
    assert "is for yukawa; use LinearScheduler" in refused(schedulers.YukawaScheduler, "edm")
    scheduler = make()
    x = torch.zeros(1, 2)
    assert "call set_timesteps first" in refused(scheduler.step, x, 1.0, x)
    assert "num_inference_steps=0" in refused(scheduler.set_timesteps, 0)
    assert "must fall" in refused(scheduler.set_timesteps, times=[1.0, 2.0])
    scheduler.set_timesteps(5)
    scheduler.step(x, scheduler.timesteps[0], x)
    assert "is out of turn" in refused(scheduler.step, x, scheduler.timesteps[3], x)
    scheduler.set_timesteps(5)
    scheduler.step(x, scheduler.timesteps[2], x)  # to begin in the middle is no error
    assert "is out of turn" in refused(make().step.__func__, scheduler, x, 1234.5, x)
