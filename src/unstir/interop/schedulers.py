"""unstir's processes as diffusers schedulers: one class for the linear family, and names to find it by.

A state is x = A y + B ε. With s = √(A² + B²), a network of diffusers may answer with

    sample          D = y itself
    epsilon         ε, so that D = (x − B ε)/A
    v_prediction    v = (A ε − B y)/s, so that D = (A x/s − B v)/s

and the solver is the exponential multistep one of `flow/multistep.py`: one evaluation a step. diffusers
counts its time steps from 0 at the data to T − 1 at the prior; here step i stands for the i-th of T times of
the process's own clock, spaced as its solvers space them (evenly in (B/A)^{1/7}), and steps between are
between.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from diffusers import ConfigMixin, SchedulerMixin
from diffusers.configuration_utils import register_to_config
from diffusers.utils import BaseOutput
from torch import Tensor

from unstir import physics
from unstir.errors import InputError
from unstir.flow import Multistep, parse_solver
from unstir.interop.rescaled import Rescaled
from unstir.interop.walk import Walk
from unstir.physics import DATA_STD, LinearProcess
from unstir.physics.process import per_item

PREDICTIONS = ("epsilon", "sample", "v_prediction")


@dataclass
class LinearSchedulerOutput(BaseOutput):  # type: ignore[misc]
    """What a step gives.

    Attributes:
        prev_sample: the state at the next time, one step nearer the data.
        pred_original_sample: the data that the network's answer stands for.
    """

    prev_sample: Tensor
    pred_original_sample: Tensor


class LinearScheduler(SchedulerMixin, ConfigMixin):  # type: ignore[misc]
    """Any linear process of unstir, by its specification.

    Args:
        process: such as `poisson:D=128`, `yukawa:kappa=1`, `edm`, `heat`; the class's own by default.
        prediction_type: what the network answers with: `epsilon`, `sample` or `v_prediction`; `epsilon` by
            default. Processes that damp modes (heat and its kin) have `sample` alone.
        num_train_timesteps: T, or None for time steps that are times of the process's own clock.
        rescaled: whether states are divided by √(A² + B²), so that they have about size 1 at every time.
        std: the data's standard deviation, which the noise range is fitted to.
        solver: `multistep`, with its parameters, such as `multistep:order=2`.
        clip_sample: whether to hold the denoised state within ±clip_sample_range.
        clip_sample_range: see there.

    Attributes:
        process: the process.
        timesteps: set by `set_timesteps`, falling from prior to data, float64.
        usual: the process of a scheduler that is given none.
        only: names of the processes that a scheduler is for; empty for all.

    Raises:
        InputError: a process that is not linear, or an option out of range.
    """

    order = 1
    config: Any
    _index: int | None
    _walk: Walk | None
    usual: ClassVar[str] = "poisson:D=128"
    only: ClassVar[tuple[str, ...]] = ()

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        process: str | None = None,
        prediction_type: str | None = None,
        num_train_timesteps: int | None = 1000,
        rescaled: bool = True,
        std: float = DATA_STD,
        solver: str = "multistep",
        clip_sample: bool = False,
        clip_sample_range: float = 1.0,
    ) -> None:
        parsed = physics.parse(process or self.usual)
        prediction_type = prediction_type or self._usual_prediction(parsed)
        # Named in the config even where they are the usual ones: another class's own are others.
        named = {"process": parsed.name, "prediction_type": prediction_type}
        usual = [name for name in self.config.get("_use_default_values", ()) if name not in named]
        self.register_to_config(**named, _use_default_values=usual)
        if self.only and parsed.name.partition(":")[0] not in self.only:
            raise InputError(
                f"process={parsed.name}: {type(self).__name__} is for {' and '.join(self.only)}; "
                "use LinearScheduler"
            )
        if not isinstance(parsed, LinearProcess):
            raise InputError(
                f"process={parsed.name}: has a law of its own; schedulers are for linear processes such as "
                "poisson:D=128, yukawa:kappa=1, edm, vp, heat, blurring"
            )
        if prediction_type not in PREDICTIONS:
            raise InputError(f"prediction_type={prediction_type!r}: give one of {', '.join(PREDICTIONS)}")
        if parsed.damping is not None and prediction_type != "sample":
            raise InputError(
                f"prediction_type={prediction_type}: {parsed.name} damps modes until the noise says nothing "
                "of them; give prediction_type='sample'"
            )
        if num_train_timesteps is not None and num_train_timesteps < 2:
            raise InputError(f"num_train_timesteps={num_train_timesteps}: give 2 or more, or None")
        walked = parse_solver(solver)
        if not isinstance(walked, Multistep):
            raise InputError(f"solver={solver}: a scheduler walks by multistep; sample the run for others")
        self._solver = walked
        self.timesteps = torch.empty(0, dtype=torch.float64)
        self.num_inference_steps: int | None = None
        self.prepare(parsed.fitted(std))

    @staticmethod
    def _usual_prediction(process: physics.Process) -> str:
        damped = isinstance(process, LinearProcess) and process.damping is not None
        return "sample" if damped else "epsilon"

    def prepare(self, process: LinearProcess) -> None:
        """Take a process that has learned of its data, in place of one by its name alone."""
        self.process = process
        schedule = Rescaled(process.schedule, process.scale)
        self._walked = dataclasses.replace(process, schedule=schedule, scale=1.0)
        if not self.config.rescaled:
            self._walked = process
        T = self.config.num_train_timesteps
        self._grid = None if T is None else process.times(T).flip(0)
        self._forget()

    def __len__(self) -> int:
        return int(self.config.num_train_timesteps or 0)

    @property
    def init_noise_sigma(self) -> float:
        """B at t_max: the factor on noise that begins a sample; `prior` draws it whole, in its own law."""
        return float(self._walked.B(torch.tensor(self.process.t_max, dtype=torch.float64)))

    def time_of(self, timesteps: Tensor) -> Tensor:
        """Times of the process's clock, float64, for time steps of any shape."""
        steps = timesteps.detach().cpu().double()
        if self._grid is None:
            return steps
        found = np.interp(steps.numpy(), np.arange(len(self._grid)), self._grid.numpy())
        return torch.as_tensor(found, dtype=torch.float64)

    def timestep_of(self, times: Tensor) -> Tensor:
        """The inverse of `time_of`."""
        if self._grid is None:
            return times.double()
        found = np.interp(times.numpy(), self._grid.numpy(), np.arange(len(self._grid)))
        return torch.as_tensor(found, dtype=torch.float64)

    def draw_noise(self, like: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """ε in the process's own law, shaped as `like`: what stands in for `torch.randn_like`."""
        given = generator or torch.default_generator
        return self.process.noise.draw(len(like), like.shape[1:], given).to(like)

    def prior(self, n: int, shape: Sequence[int], generator: torch.Generator | None = None) -> Tensor:
        """`n` states at t_max to begin with, float32 on the CPU."""
        x = self.process.prior(n, shape, generator or torch.default_generator)
        return x / self._size(torch.tensor([self.process.t_max], dtype=torch.float64), x)

    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """The states x = A y + B ε at `timesteps` `(batch,)`, from data y and noise ε of the same shape."""
        A, B, basis = *self._coefficients(original_samples, timesteps), self.process.basis
        signal: Tensor = basis.state(A * basis.coordinates(original_samples))
        return signal + B * noise

    def get_target(self, sample: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """What the network should answer with, by `prediction_type`."""
        kind = self.config.prediction_type
        if kind == "v_prediction":
            return self.get_velocity(sample, noise, timesteps)
        return noise if kind == "epsilon" else sample

    def get_velocity(self, sample: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """The target v = (A ε − B y)/√(A² + B²) of v-prediction, by diffusers' own name."""
        A, B = self._coefficients(sample, timesteps)
        return (A * noise - B * sample) / torch.hypot(A, B)

    def scale_model_input(self, sample: Tensor, timestep: float | Tensor | None = None) -> Tensor:
        """The state as it is: rescaled ones have size 1 already, our own networks scale for themselves."""
        return sample

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: str | torch.device | None = None,
        times: Sequence[float] | None = None,
    ) -> None:
        """Lay out the time steps: the solver's own, or given `times` of the process's clock, falling.

        Raises:
            InputError: neither, fewer than one step, or times that do not fall.
        """
        if times is None:
            if num_inference_steps is None or num_inference_steps < 1:
                raise InputError(f"num_inference_steps={num_inference_steps}: give 1 or more, or times")
            times = self._solver.times(self.process, num_inference_steps)
        clock = torch.tensor(list(times), dtype=torch.float64)
        if not len(clock) or bool((clock.diff() >= 0).any()):
            raise InputError("times: must fall from prior to data, each below the one before")
        self._times: list[float] = clock.tolist()
        exact = torch.device(device or "cpu").type != "mps"  # which has no float64
        self.timesteps = self.timestep_of(clock).to(device, torch.float64 if exact else torch.float32)
        self.num_inference_steps = len(clock)
        self._forget()

    def step(
        self,
        model_output: Tensor,
        timestep: float | Tensor,
        sample: Tensor,
        generator: torch.Generator | None = None,
        return_dict: bool = True,
    ) -> LinearSchedulerOutput | tuple[Tensor, Tensor]:
        """The state at the next time; the last step gives the denoised state itself.

        Args:
            model_output: the network's answer for `sample` at `timestep`.
            timestep: one of `timesteps`; a first one beyond the beginning starts there.
            sample: the state.
            generator: not used: the flow is deterministic.
            return_dict: whether to give a `LinearSchedulerOutput` rather than a tuple.

        Raises:
            InputError: no time steps were set, or a time step out of turn.
        """
        i = self._turn(timestep)
        d = self._denoised(model_output, timestep, sample)
        self._index = i + 1
        if i == len(self._times) - 1:
            state = d
        else:
            if self._walk is None:
                self._walk = Walk(self._solver, self._walked, self._times[i:], tuple(sample.shape[1:]))
            state = self._walk.step(d, sample)
        return LinearSchedulerOutput(state, d) if return_dict else (state, d)

    def _turn(self, timestep: float | Tensor) -> int:
        """The number of the time step whose turn it is."""
        if not len(self.timesteps):
            raise InputError("timesteps: none are set; call set_timesteps first")
        if self._index is not None and self._index < len(self._times):
            expected = float(self.timesteps[self._index])
            if abs(float(timestep) - expected) <= 1e-6 * max(1.0, abs(expected)):  # float32 will do
                return self._index
        apart = (self.timesteps - float(timestep)).abs()
        found = int(apart.argmin())
        begun = self._index is not None and found != 0
        if begun or float(apart[found]) > 1e-6 * max(1.0, abs(float(timestep))):
            raise InputError(
                f"timestep={float(timestep):g}: is out of turn; step through scheduler.timesteps in order"
            )
        self._forget()
        return found

    def _forget(self) -> None:
        self._index, self._walk = None, None

    def _denoised(self, output: Tensor, timestep: float | Tensor, sample: Tensor) -> Tensor:
        kind = self.config.prediction_type
        d = output
        if kind != "sample":
            A, B = self._coefficients(sample[:1], torch.as_tensor(timestep).reshape(1))
            size = torch.hypot(A, B)
            d = (sample - B * output) / A if kind == "epsilon" else (A * sample / size - B * output) / size
        clip = self.config.clip_sample_range
        return d.clamp(-clip, clip) if self.config.clip_sample else d

    def _coefficients(self, like: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        """A, of every mode where there are such, and B at time steps `(batch,)`, to broadcast over `like`."""
        t = self.time_of(timesteps.expand(len(like)) if timesteps.ndim == 0 else timesteps)
        A = self._walked.signal(t, like.shape[1:])
        return A.to(like), per_item(self._walked.B(t), like).to(like)

    def _size(self, t: Tensor, like: Tensor) -> Tensor:
        if not self.config.rescaled:
            return torch.ones((), dtype=like.dtype)
        return per_item(Rescaled(self.process.schedule, self.process.scale).size(t), like)


class PoissonScheduler(LinearScheduler):
    """Poisson flow, PFGM++ (Xu 2023): heavy-tailed noise of charges in D extra dimensions."""

    usual = "poisson:D=128"
    only = ("poisson", "pfgm")


class YukawaScheduler(LinearScheduler):
    """Screened charges (Liu 2023), from Cauchy to Gaussian noise."""

    usual = "yukawa:kappa=1"
    only = ("yukawa",)


class LevyScheduler(LinearScheduler):
    """Noise with jumps of every size, α-stable (Shariatian 2025)."""

    usual = "levy:alpha=1.8"
    only = ("levy",)


class HeatScheduler(LinearScheduler):
    """Inverse heat dissipation (Rissanen 2022): the network answers with the denoised image."""

    usual = "heat"
    only = ("heat",)


class BlurringScheduler(LinearScheduler):
    """Blurring diffusion (Hoogeboom & Salimans 2022), and with charges' heavy-tailed noise."""

    usual = "blurring"
    only = ("blurring", "heat_poisson")


NAMED: tuple[type[LinearScheduler], ...] = (
    PoissonScheduler,
    YukawaScheduler,
    LevyScheduler,
    HeatScheduler,
    BlurringScheduler,
)


def scheduler_class(process: str) -> type[LinearScheduler]:
    """The scheduler that is named after a process, or the one of the whole family."""
    name = process.partition(":")[0]
    return next((named for named in NAMED if name in named.only), LinearScheduler)
