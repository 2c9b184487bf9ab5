"""Bridge: from a degraded image back to the clean one, by a Brownian bridge pinned at both (Liu 2023, I²SB).

For a pair (x₀, x₁), clean and degraded, and the bridge's own noise Σ

    x_t = (1 − t) x₀ + t x₁ + Σ √(t (1 − t)) ε

The clock t is the paper's σ_t²/(σ_t² + σ̄_t²), in which its variances are σ_t² = Σ² t and σ̄_t² = Σ² (1 − t);
its β of time decides only where steps are taken. From x_t to an earlier s, were x₀ known (its equation 4),

    x_s = (1 − s/t) x₀ + (s/t) x_t + Σ √(s (t − s)/t) ε

A state is the pair (x_t, x₁), as channels one after the other: told of x₁, the field E[x₀ | x_t, x₁] gives
back the pairs' joint law. From x_t alone (the paper's usual choice) only the law of x₀ comes back, with which
x₁ it belongs to forgotten on the way.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unstir import spec
from unstir.errors import InputError
from unstir.moving import sent
from unstir.physics.basis import CosineModes
from unstir.physics.degrade import Blur, Coarse, Degradation, Hole, Untouched
from unstir.physics.process import Process, check_kept, check_state, per_item

_LARGEST_RESERVOIR = 2**24  # numbers kept of degraded training images
# √β of the paper rises in a straight line from this share of its largest value to the middle, then falls.
_SLOWEST = 0.577
_SMALLEST_VARIANCE = 1e-4  # of a mode, in terms of the largest


@dataclass(frozen=True, eq=False)
class Bridge(Process):
    """A Brownian bridge between images and their degraded selves.

    Attributes:
        spec_name: with parameters.
        degradation: the task.
        noise: standard deviation of what is added to degraded images, in model units (data have ½).
        sigma: Σ.
        moments: variances and covariance of the cosine modes of clean and degraded training images,
            `(3, *shape)`: ⟨x₀²⟩, ⟨x₀x₁⟩, ⟨x₁²⟩; None before training.
        reservoir: degraded training images, `(items, *shape)`, or None.
    """

    spec_name: str
    degradation: Degradation
    noise: float
    sigma: float
    moments: Tensor | None = None
    reservoir: Tensor | None = None
    prior_holds_data = True

    @property
    def name(self) -> str:
        return self.spec_name

    @property
    def t_min(self) -> float:
        return 0.0

    @property
    def t_max(self) -> float:
        return 1.0

    def degraded(self, data: Tensor, generator: torch.Generator) -> Tensor:
        """Images as the task leaves them, with its noise: `(batch, channels, height, width)`, model units."""
        noise = _noise(data, generator)
        return self.degradation(data) + self.noise * noise

    def perturb(self, data: Tensor, t: Tensor, generator: torch.Generator) -> Tensor:
        """The state (x_t, x₁) of images, `(batch, 2 channels, height, width)`."""
        return self.between(data, self.degraded(data, generator), t, generator)

    def between(self, clean: Tensor, degraded: Tensor, t: Tensor, generator: torch.Generator) -> Tensor:
        """The state of given pairs (equation 11 of the paper)."""
        check_state("clean", clean, t)
        noise = _noise(clean, generator)
        s = per_item(t, clean)
        x = (1 - s) * clean + s * degraded + self.sigma * (s * (1 - s)).sqrt() * noise
        return torch.cat([x, degraded], 1)

    def posterior(self, x: Tensor, clean: Tensor, t: float, s: float) -> tuple[Tensor, float]:
        """Mean and deviation of x_s given x_t = `x` and x₀ = `clean`, 0 ≤ s < t ≤ 1."""
        share = s / t
        return (1 - share) * clean + share * x, self.sigma * math.sqrt(share * (t - s))

    def prior(
        self,
        n: int,
        shape: Sequence[int],
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """States of degraded training images.

        Raises:
            InputError: the process was never prepared on any, or on others of another shape.
        """
        if self.reservoir is None:
            raise InputError(
                f"process {self.name}: starts from degraded images; prepare it on some, or give some (start)"
            )
        if tuple(self.reservoir.shape[1:]) != tuple(shape):
            raise InputError(
                f"process {self.name}: keeps images of {tuple(self.reservoir.shape[1:])}, not {tuple(shape)}"
            )
        index = torch.randint(len(self.reservoir), (n,), generator=generator, device=generator.device)
        return self.begin(self.reservoir[index.cpu()].to(generator.device, dtype), generator)

    def begin(self, given: Tensor, generator: torch.Generator) -> Tensor:
        """The states at t_max of degraded images."""
        return torch.cat([given, given], 1)

    def state_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return (2 * shape[0], *shape[1:])

    def observed(self, state: Tensor) -> Tensor:
        return state[:, : state.shape[1] // 2]

    def prepared(self, items: Tensor, partner: Tensor | None = None) -> Bridge:
        """With moments and degraded images of `items`.

        Raises:
            InputError: a second data set, or data that are no images.
        """
        super().prepared(items, partner)
        if items.ndim != 4:
            raise InputError(
                f"process {self.name}: restores images, and an item has shape {tuple(items.shape[1:])}"
            )
        generator = torch.Generator(items.device).manual_seed(0)
        order = torch.randperm(len(items), generator=generator, device=items.device)
        chosen = items[order[: max(1, _LARGEST_RESERVOIR // items[0].numel())]]
        degraded = self.degraded(chosen, generator)
        basis = CosineModes()
        u, w = (basis.coordinates(x - x.mean(0)).double() for x in (chosen, degraded))
        moments = torch.stack([(u * u).mean(0), (u * w).mean(0), (w * w).mean(0)])
        moments = moments.mean(1, keepdim=True).expand_as(moments)  # the channels share theirs
        return dataclasses.replace(
            self, moments=moments.float().cpu().contiguous(), reservoir=degraded.float().cpu().contiguous()
        )

    def kept(self) -> dict[str, Tensor]:
        """Moments and degraded images."""
        if self.moments is None or self.reservoir is None:
            return {}
        return {"moments": self.moments, "reservoir": self.reservoir}

    def restored(self, kept: Mapping[str, Tensor]) -> Bridge:
        """With what `kept` gave."""
        fits = set(kept) == {"moments", "reservoir"}
        fits = fits and kept["moments"].shape[1:] == kept["reservoir"].shape[1:]
        check_kept(self.name, kept, "moments and reservoir of one shape", fits=fits)
        return dataclasses.replace(self, moments=kept["moments"], reservoir=kept["reservoir"])

    def wiener(self, shape: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """The best linear guess of x₀'s modes from x₁'s: its factor, the variance it leaves, and x₁'s own.

        Before training the modes are taken for white ones that the task leaves alone.
        """
        if self.moments is None:
            one = torch.full(tuple(shape), 0.25, dtype=torch.float64)
            clean, both, degraded = one, one, one + self.noise**2
        else:
            clean, both, degraded = self.moments.double()
        least = _SMALLEST_VARIANCE * float(clean.max())
        clean, degraded = clean.clamp_min(least), degraded.clamp_min(least)
        factor = both / degraded
        return factor, torch.maximum(clean - factor * both, _SMALLEST_VARIANCE * clean), degraded

    def times(self, n: int) -> Tensor:
        """`n` times falling from 1, close together near both ends; the end, 0, is one step further."""
        if n < 1:
            raise ValueError(f"n={n}: at least one time is needed")
        return clock(torch.linspace(1, 0, n + 1, dtype=torch.float64)[:-1])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bridge) and self.name == other.name

    def __hash__(self) -> int:
        return hash((Bridge, self.name))


def clock(u: Tensor) -> Tensor:
    """The share of β that has passed at a share u of the paper's time."""
    half = torch.minimum(u, 1 - u)
    r = _SLOWEST
    passed = 0.5 * ((r + 2 * (1 - r) * half) ** 3 - r**3) / (1 - r**3)
    return torch.where(u <= 0.5, passed, 1 - passed)


def bridge(
    task: str = "deblur",
    width: float = 1.0,
    factor: int = 2,
    hole: float = 0.4,
    noise: float = 0.05,
    sigma: float = 0.5,
) -> Bridge:
    """From degraded images to clean ones; task deblur, superres, inpaint or denoise (Liu 2023, I²SB)."""
    own: dict[str, tuple[str, ...]] = {
        "deblur": ("width",),
        "superres": ("factor",),
        "inpaint": ("hole",),
        "denoise": (),
    }
    if task not in own:
        raise InputError(f"task={task}: the tasks of bridge are {', '.join(own)}")
    known = spec.defaults(bridge)
    for key, value in {"width": width, "factor": factor, "hole": hole}.items():
        if key not in own[task] and value != known[key]:
            raise InputError(f"{key}={value:g}: is no parameter of task {task}; leave it out")
    if not 0 < width <= 100:
        raise InputError(f"width={width:g}: the blur's width is in pixels, above 0, such as 1")
    if not 2 <= factor <= 64:
        raise InputError(f"factor={factor}: give how much smaller the images were, from 2 to 64")
    if not 0 < hole < 1:
        raise InputError(f"hole={hole:g}: the hole's side is a share of the image's, such as 0.4")
    if not 0 <= noise <= 10:
        raise InputError(f"noise={noise:g}: give the noise's deviation where data have 0.5, such as 0.05")
    if not 0 < sigma <= 10:
        raise InputError(f"sigma={sigma:g}: the bridge's own noise lies above 0, such as 0.5")
    degradations: dict[str, Degradation] = {
        "deblur": Blur(width), "superres": Coarse(factor), "inpaint": Hole(hole), "denoise": Untouched(),
    }  # fmt: skip
    name = spec.name_of(
        "bridge", bridge, always=("task", *own[task]),
        task=task, width=width, factor=factor, hole=hole, noise=noise, sigma=sigma,
    )  # fmt: skip
    return Bridge(name, degradations[task], noise, sigma)


def _noise(like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal draws as `like`."""
    return sent(
        torch.randn(like.shape, generator=generator, device=generator.device), like.device, like.dtype
    )
