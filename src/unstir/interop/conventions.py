"""How networks of diffusers are asked, and what their answers stand for: one object for each family.

All of them come to the denoiser D(x, t) = E[y | x_t = x] of a linear process, x = A y + B ε:

    epsilon         ε̂ = F(x, t)         D = (x − B ε̂)/A
    sample          ŷ = F(x, t)         D = ŷ
    v_prediction    v̂ = F(x, t)         D = A x − B v̂               where A² + B² = 1
    EDM             F(c_in x, c_noise)  D = c_skip x ± c_out F      (Karras 2022, table 1; − for v_prediction)
    flow matching   v̂ = F(x, T t)       D = x − t v̂                 where A = 1 − t, B = t
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from unstir import physics
from unstir.data.wording import quoted
from unstir.errors import InputError
from unstir.interop.tabulated import Tabulated
from unstir.physics import DATA_STD, Gaussian, LinearProcess
from unstir.physics.process import per_item

# (x, time steps (batch,), label) -> answer
Network = Callable[[Tensor, Tensor, Tensor | None], Tensor]


class Convention(ABC):
    """One way to count time and to answer.

    Attributes:
        process: the linear process that the network was trained for.
    """

    process: LinearProcess

    @abstractmethod
    def denoise(self, network: Network, x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        """D for states at times `(batch,)` of the process."""

    def coefficients(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """A and B, to broadcast over `x`."""
        clock = on_clock(t)
        return spread(self.process.A(clock), x), spread(self.process.B(clock), x)


def on_clock(t: Tensor) -> Tensor:
    """Times in float64, on the CPU, since not every device has it."""
    return t.detach().cpu().double()


def spread(values: Tensor, x: Tensor) -> Tensor:
    """One value an item, where `x` is and to broadcast over it."""
    return per_item(values.to(x.device, x.dtype), x)


@dataclass(frozen=True)
class Discrete(Convention):
    """DDPM's: whole time steps, a variance-preserving path by its betas.

    Attributes:
        process: with a `Tabulated` schedule.
        prediction: `epsilon`, `sample` or `v_prediction`.
    """

    process: LinearProcess
    prediction: str

    def denoise(self, network: Network, x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        answer = network(x, t, label)
        if self.prediction == "sample":
            return answer
        A, B = self.coefficients(x, t)
        return (x - B * answer) / A if self.prediction == "epsilon" else A * x - B * answer


@dataclass(frozen=True)
class Karras(Convention):
    """EDM's: time is the noise level.

    Attributes:
        process: `edm`.
        sigma_data: the data's standard deviation.
        sign: of c_out.
    """

    process: LinearProcess
    sigma_data: float
    sign: float

    def denoise(self, network: Network, x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        sigma = self.process.B(on_clock(t))
        total = sigma**2 + self.sigma_data**2
        answer = network(spread(total.rsqrt(), x) * x, (0.25 * sigma.log()).to(x), label)
        out = self.sign * self.sigma_data * sigma * total.rsqrt()
        return spread(self.sigma_data**2 / total, x) * x + spread(out, x) * answer


@dataclass(frozen=True)
class Flow(Convention):
    """Flow matching: straight lines, the network answers ε − y.

    Attributes:
        process: `rectified`.
        steps: T, by which times are counted.
    """

    process: LinearProcess
    steps: int

    def denoise(self, network: Network, x: Tensor, t: Tensor, label: Tensor | None) -> Tensor:
        return x - spread(t, x) * network(x, (self.steps * on_clock(t)).to(x), label)


def convention(name: str, scheduler: Any) -> Convention:  # noqa: ANN401  # one of diffusers' many
    """What a scheduler of diffusers says of the network beside it.

    Args:
        name: its class's.
        scheduler: it.

    Raises:
        InputError: a scheduler of no known family, or a setting that is not for a posterior mean.
    """
    config: Mapping[str, Any] = scheduler.config
    prediction = str(config.get("prediction_type", "epsilon"))
    if config.get("thresholding"):
        raise InputError("thresholding=True: changes the network's answer by quantiles; set it to false")
    if name.startswith("EDM"):
        return _karras(config, prediction)
    if name.startswith("FlowMatch"):
        return Flow(physics.rectified(), int(config["num_train_timesteps"]))
    alphas = getattr(scheduler, "alphas_cumprod", None)
    if not isinstance(alphas, Tensor) or prediction not in ("epsilon", "sample", "v_prediction"):
        raise InputError(
            f"scheduler {quoted(name)} with prediction_type={quoted(prediction)}: is of no known family; "
            "known: those with betas (DDPM, DDIM, Euler, Heun, DPM-Solver …), EDM, FlowMatch"
        )
    schedule = Tabulated(tuple(alphas.double().tolist()))
    told = "trained" if config.get("trained_betas") is not None else config.get("beta_schedule")
    return Discrete(LinearProcess(f"vp (diffusers, {told} betas)", schedule, Gaussian()), prediction)


def _karras(config: Mapping[str, Any], prediction: str) -> Karras:
    std, low, high = (float(config[key]) for key in ("sigma_data", "sigma_min", "sigma_max"))
    signs = {"epsilon": 1.0, "v_prediction": -1.0}
    if prediction not in signs or not (0 < std < math.inf):
        raise InputError(
            f"prediction_type={quoted(prediction)}, sigma_data={std:g}: EDM's preconditioning has epsilon or "
            "v_prediction, and sigma_data above 0"
        )
    # For data of deviation ½ the range is what it is; our time steps are laid out relative to the deviation.
    process = physics.edm(low * DATA_STD / std, high * DATA_STD / std).fitted(std)
    return Karras(process, std, signs[prediction])
