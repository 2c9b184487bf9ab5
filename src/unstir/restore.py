"""Restoration: images from what was measured of them.

A bridge's run undoes its own task. A run of any linear process, trained on clean images alone, undoes any
task by its posterior given the measurement (`conditions/`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unstir import spec
from unstir.classes import Asked
from unstir.conditions import ConditionedField, Measurement, Method, Particles, parse_method
from unstir.conditions.particles import usual_stir
from unstir.errors import InputError
from unstir.fields.learned import check_denoises
from unstir.flow import Progress, Solver, Streams, parse_solver, sample_steps
from unstir.flow.sampling import gather
from unstir.physics import Bridge, LinearProcess
from unstir.run import Run

if TYPE_CHECKING:
    from PIL import Image

_SHOWN, _DRAWS = 12, 4  # images in a row of the picture, and rows of as many draws
_FULL = 255.0
_BATCH = 64
_LOST = 0.03  # of a trained network's slope
_COPY = 2.0  # levels: root mean square distance of images that look the same
DEFAULT_METHOD = "moments"


def bridge_of(run: Run) -> Bridge:
    """The bridge of a run.

    Raises:
        InputError: its process is another.
    """
    if not isinstance(run.process, Bridge):
        raise InputError(
            f"run {run.path}: {run.process.name} has no task of its own, as a bridge has; "
            "name one, such as --task deblur"
        )
    return run.process


def linear_of(run: Run) -> LinearProcess:
    """The linear process of a run on images.

    Raises:
        InputError: its process is another, or its data are.
    """
    if isinstance(run.process, Bridge):
        raise InputError(f"task: run {run.path} restores what it was trained for; leave the task out")
    if not isinstance(run.process, LinearProcess):
        raise InputError(
            f"run {run.path}: {run.process.name} cannot be conditioned; train a linear process, such as edm"
        )
    check_denoises(run.field, f"run {run.path}")
    if run.info.kind != "image":
        raise InputError(f"run {run.path}: holds no images but {run.info.kind}s; tasks are for images")
    return run.process


def degrade(run: Run, images: Tensor, seed: int = 0) -> Tensor:
    """Images uint8 `(n, channels, height, width)` as the run's own task leaves them, uint8."""
    generator = torch.Generator().manual_seed(seed)
    return run.scaling.to_data(bridge_of(run).degraded(run.scaling.to_model(images), generator))


def restore(
    run: Run,
    observed: Tensor,
    measurement: Measurement,
    *,
    method: Method | str = DEFAULT_METHOD,
    samples: int = 1,
    label: Asked | None = None,
    solver: Solver[LinearProcess] | str | None = None,
    steps: int | None = None,
    seed: int = 0,
    batch: int = _BATCH,
    watch: Callable[[Progress], None] | None = None,
) -> Tensor:
    """Draw images given what was measured of them.

    Args:
        run: of a linear process, on images.
        observed: `(n, *observed)`, of images whose full scale is 0 to 1.
        measurement: of such images.
        method: an object, or a specification such as `moments:iterations=4`.
        samples: how many of each.
        label: the class, as in `Run.sample`; by default all classes together.
        solver: an object or a specification; by default the process's first. `particles` walks the samples of
            each observation together.
        steps: of the solver; by default its usual number.
        seed: with the sample's index, all that a sample depends on.
        batch: how many at once.
        watch: called with each step's `Progress`.

    Returns:
        uint8 `(n, samples, channels, height, width)`.

    Raises:
        InputError: an argument out of range, another kind of run, or values that are not finite.
    """
    walk = restore_steps(
        run,
        observed,
        measurement,
        method=method,
        samples=samples,
        label=label,
        solver=solver,
        steps=steps,
        seed=seed,
        batch=batch,
    )
    x = gather(len(observed) * samples, walk, watch)
    if not bool(x.isfinite().all()):
        raise InputError("method: the restoration diverged; take more steps, or the method moments")
    images = run.scaling.to_data(x)
    return images.reshape(-1, samples, *images.shape[1:])


def restore_steps(
    run: Run,
    observed: Tensor,
    measurement: Measurement,
    *,
    method: Method | str = DEFAULT_METHOD,
    samples: int = 1,
    label: Asked | None = None,
    solver: Solver[LinearProcess] | str | None = None,
    steps: int | None = None,
    seed: int = 0,
    batch: int = _BATCH,
) -> Iterator[Progress]:
    """Every step of every batch of `restore`, which has the same arguments, in model units.

    Raises:
        InputError: an argument out of range, or another kind of run.
    """
    process, shape = linear_of(run), run.info.model_shape
    if samples < 1 or len(observed) < 1:
        raise InputError(f"samples={samples}, {len(observed)} observed: give 1 or more of each")
    parsed = _solver(solver, process, samples) if isinstance(solver, str) else solver
    together = 1 if parsed is None else parsed.group(shape)
    if samples % together:
        raise InputError(f"solver {solver}: walks {together} samples together, and {samples} are asked for")
    chosen = parse_method(method) if isinstance(method, str) else method
    seen, o = in_model_units(run, measurement, observed.float())
    o = o.repeat_interleave(samples, 0)
    n, device = len(o), run.device
    labels = run.labels(n, label=label, given=label is None)
    if labels is None and run.classes and not run.config.label_dropout:
        raise InputError("label: the run does not know all classes together; give a label")
    batch = math.ceil(batch / together) * together
    for at in range(0, n, batch):
        here = o[at : at + batch].to(device)
        guided = ConditionedField(run.field, process, seen, here, chosen, _LOST)
        alone = not isinstance(parsed, Particles)
        walk = sample_steps(
            process,
            guided,
            len(here),
            shape,
            solver=parsed,
            steps=steps,
            seed=seed,
            first=at,
            batch=batch,
            label=None if labels is None else labels[at : at + batch],
            start=guided.start(Streams(seed + 1, at, len(here)), shape) if alone else None,
            device=device,
        )
        for progress in walk:
            yield Progress(at + progress.first, progress.step, progress.steps)


def in_model_units(run: Run, measurement: Measurement, observed: Tensor) -> tuple[Measurement, Tensor]:
    """A measurement of images of full scale 1, and what it saw, as those of the model's images."""
    zero, one = run.scaling.to_model(torch.tensor([0.0, _FULL]).reshape(2, 1, 1, 1)).flatten().tolist()
    scale = 1 / (one - zero)
    if not measurement.linear:
        return Rescaled(measurement, scale, -zero * scale, measurement.sigma, linear=False), observed
    grey = torch.full((1, *run.info.model_shape), -zero * scale)
    inside = Rescaled(measurement, scale, 0.0, measurement.sigma, linear=True)
    return inside, observed - measurement(grey)


@dataclass(frozen=True)
class Rescaled(Measurement):
    """A measurement of scale · x + shift in place of x.

    Attributes:
        inner: the measurement.
        scale: a factor on all numbers.
        shift: 0 where it is to be linear.
        sigma: as the inner one's.
        linear: as the inner one.
    """

    inner: Measurement
    scale: float
    shift: float
    sigma: float
    linear: bool

    def __call__(self, items: Tensor) -> Tensor:
        """What the inner one sees."""
        return self.inner(self.scale * items + self.shift)

    def solve(self, residual: Tensor, variance: float | Tensor, shape: Sequence[int]) -> Tensor:
        return self.inner.solve(residual, variance * self.scale**2, shape)


def as_bytes(images: Tensor) -> Tensor:
    """Images of full scale 1 as uint8."""
    return (255 * images).round().clamp(0, 255).to(torch.uint8)


def psnr(images: Tensor, clean: Tensor) -> float:
    """Peak signal-to-noise ratio of uint8 images in decibels, from their mean square error over all."""
    error = float((images.double() - clean.double()).square().mean())
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def coverage(samples: Tensor, clean: Tensor) -> float:
    """Share of pixels within two posterior deviations of the posterior mean: 0.95 where both are right.

    Args:
        samples: uint8 `(n, samples, …)`, two samples or more.
        clean: uint8 `(n, …)`.
    """
    std, mean = torch.std_mean(samples.double(), 1)
    # Values are rounded to whole levels: half a level's variance, at least.
    std = (std.square() * (1 + 1 / samples.shape[1]) + 1 / 12).sqrt()
    return float(((clean.double() - mean).abs() <= 2 * std).double().mean())


def different(samples: Tensor) -> float:
    """How many samples of an image are no copies of others, on average over the images.

    Particles that were chosen again and again end as copies, or nearly: those within two levels of 256.

    Args:
        samples: uint8 `(n, samples, …)`.
    """
    flat = samples.flatten(2).float()
    apart = torch.cdist(flat, flat) / flat.shape[2] ** 0.5
    before = torch.ones(samples.shape[1], samples.shape[1], dtype=torch.bool).tril(-1)
    copies = ((apart < _COPY).cpu() & before).any(2)
    return float((~copies).double().sum(1).mean())


def rows_picture(title: str, sets: Mapping[str, Tensor]) -> Image.Image:
    """The first few images, uint8, of each named set, one set a row."""
    from unstir.rows import picture_of_rows

    few = [images[:_SHOWN].cpu() for images in sets.values()]
    return picture_of_rows(torch.stack(few), title, rows=tuple(sets))


def compared(given: Tensor, restored: Tensor, clean: Tensor | None = None) -> dict[str, Tensor]:
    """The sets of `rows_picture`: as measured, restored, and as they were.

    Args:
        given: uint8 `(n, …)`.
        restored: uint8 `(n, samples, …)`; of several samples a few, and their mean.
        clean: uint8 `(n, …)`, where they are known.
    """
    samples = restored.shape[1]
    sets = {"measured": given}
    if samples == 1:
        sets["restored"] = restored[:, 0]
    else:
        sets |= {f"draw {k + 1}": restored[:, k] for k in range(min(samples, _DRAWS))}
        sets[f"mean of {samples}"] = restored.float().mean(1).round().byte()
    return sets if clean is None else sets | {"truth": clean}


def _solver(text: str, process: LinearProcess, samples: int) -> Solver[LinearProcess]:
    """A solver of the process by name, or the particles of each observation."""
    if text.strip().partition(":")[0] != "particles":
        return parse_solver(text, process)

    def particles(stir: float = usual_stir(process)) -> Particles:
        return Particles(samples, stir)

    return spec.parse("solver", text, {"particles": particles})
