"""A consistency field: f(x, t) = where the flow that starts from x at time t ends (Song 2023).

A trained field's skip path D̂ (a sketch of the data, or a multiple of x) has a flow of its own, which costs no
evaluation of a network. With its end e(x, t) and place = how far t lies along the clock,

    f(x, t) = e(x, t) + b(t) c_out(t) F(x, e, c_noise)      b(t_min) = 0

so f is D̂ itself where the clock ends, whatever F (the boundary condition), and F learns only how far the flow
of the data ends from that of the sketch. In z = x/B all linear processes have the same flow, dz = D dρ with
ρ = A/B. A step of the skip path's is

    x' = (B'/B) x + (A' − (B'/B) A) (D̂ + θ (D̂' − D̂))      θ = q (1 − ln q/(q − 1))/(q − 1),  q = ρ'/ρ

exact where D̂ is linear in B/A; D̂' is foretold from the step before, and the step redone once it is known.

What x̂ = f(x, t) adds to e is of details that the skip path does not know, of variance S. Their flow keeps
x/√V, V = A²S + B²W, while in the skip path's x/B is kept. So from t to s it leaves that by κ (x̂ − e),

    κ = (√V_s − (B_s/B_t) √V_t)/√S      √V_t = A_t √S + rms(x − A_t x̂)      S = rms(x̂ − e)²

and the state of the flow at s is known nearly as well as its end: by `leap` a field is asked again there.

Without a teacher it is trained by pairs of states on one path, of the same item y and the same noise ε, W
included: with s just below t,

    E[ ‖f(x_t, t) − sg f(x_s, s)‖² ]       x_t = A_t y + B_t ε,  x_s = A_s y + B_s ε

Given x_t the mean velocity of such pairs is the flow's, whatever the law of W. Were W drawn anew at s, it
would be no velocity at all. The steps from t to s are halved as training goes on (Song & Dhariwal 2023),
and the distance is pseudo-Huber's, √(‖·‖² + c²) − c.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from unstir.errors import InputError
from unstir.fields.field import Slice
from unstir.fields.learned import LearnedField
from unstir.fields.neural import NeuralField
from unstir.moving import sent
from unstir.physics import LinearProcess
from unstir.physics.process import per_item

_WALK = 8  # times that the skip path's flow is walked by
_LARGEST_RATIO = 1e6
_COARSEST, _DOUBLINGS = 8, 4  # steps of the clock at the start of training, and how often they are halved
_HUBER = 0.03


class Lesson(Protocol):
    """What a consistency field learns from."""

    def loss(
        self, field: ConsistencyField, data: Tensor, generator: torch.Generator, label: Tensor | None
    ) -> Tensor:
        """The batch's mean loss."""
        ...


class Pairs:
    """Pairs of states on one path: consistency training.

    Both states are of one item, so that a network that is told how it was augmented is told so of both.
    """

    def loss(
        self, field: ConsistencyField, data: Tensor, generator: torch.Generator, label: Tensor | None
    ) -> Tensor:
        """The mean distance of f at two neighbouring times, of the same item and noise."""
        t, s = self.times(field, len(data), generator, data.device)
        x, nearer = pair(field.process, data, t, s, generator)
        with torch.no_grad():
            # As it is in use: else answers beyond an end, where none counts as an error, draw each other on.
            target = field.denoiser.bounded(field(nearer, s, label))
        return distance(field.error(target, x, t, label)).mean()

    def times(
        self, field: ConsistencyField, n: int, generator: torch.Generator, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        """Times t and the next ones below, s: places of the clock, drawn alike, the prior's among them."""
        count = _COARSEST * 2 ** int(field.progress * (_DOUBLINGS + 1) * 0.999)
        clock = field.process.few_times(count + 1).float()
        clock[-1] = field.process.t_min  # where the answer is known
        index = torch.randint(count, (n,), generator=generator)
        return sent(clock[index], device), sent(clock[index + 1], device)


def pair(
    process: LinearProcess, data: Tensor, t: Tensor, s: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """States at times `t` and `s`, `(batch,)` each, of the same items and the same ε = √W n."""
    shape = data.shape[1:]
    noise = sent(process.noise.draw(len(data), shape, generator, data.dtype), data.device)
    y = process.basis.coordinates(data)

    def at(time: Tensor) -> Tensor:
        B = process.B(time).to(data.dtype).reshape(-1, *(1,) * len(shape))
        return process.basis.state(process.signal(time, shape).to(data.dtype) * y) + B * noise

    return at(t), at(s)


def distance(squared: Tensor) -> Tensor:
    """Pseudo-Huber's √(d² + c²) − c of mean squares d²: items far off weigh by their distance alone."""
    return (squared + _HUBER**2).sqrt() - _HUBER


class ConsistencyField(LearnedField[LinearProcess]):
    """The end of the flow from any state, in one evaluation of the network.

    Args:
        denoiser: the field whose network, skip path and scales it takes over, trained or not.

    Attributes:
        lesson: what it learns from; `Pairs` unless a teacher brings its own.
    """

    denoises = False

    def __init__(self, denoiser: NeuralField) -> None:
        nn.Module.__init__(self)
        self.denoiser = denoiser
        self.process, self.shape = denoiser.process, denoiser.shape
        self.levels, self.classes = denoiser.levels, denoiser.classes
        self.lesson: Lesson = Pairs()

    @property
    def network(self) -> nn.Module:  # type: ignore[override]
        """The denoiser's."""
        return self.denoiser.network

    def prepare(self, items: Tensor, labels: Tensor | None = None) -> None:
        """Fit the skip path; what its denoiser leaves at each level is F's scale."""
        self.denoiser.prepare(items, labels)

    @torch.no_grad()
    def measure(self, x: Tensor, t: Tensor, target: Tensor, label: Tensor | None = None) -> None:
        """Take for F's scale what the skip path's flow leaves of known ends.

        Args:
            x: states.
            t: their times, `(batch,)`.
            target: where their flows end.
            label: class numbers `(batch,)`, or None.
        """
        left = self.denoiser.left
        if left is None:
            return
        base, out, _, level = self._parts(x, t, label)
        scale = out / left(self.denoiser.place(level))  # b(t)
        error = (self.process.basis.coordinates(target) - base) / self._wide(scale, base)
        squared = error.square()
        left.measure(self.denoiser.place(level), squared if out.ndim > 1 else squared.flatten(1).mean(1))

    def forward(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """Where the flows from `x` at times `(batch,)` end, `(batch, *shape)`."""
        return self._answer(x, t, label, None)

    def _answer(self, x: Tensor, t: Tensor, label: Tensor | None, e: Tensor | None) -> Tensor:
        base, out, given, level = self._parts(x, t, label, e)
        answer = self.process.basis.coordinates(self.denoiser.answer(given, level, label))
        end = self.process.basis.state(base + self._wide(out, base) * answer)
        return end if self.training else self.denoiser.bounded(end)

    def at(self, t: float) -> Slice:
        """The field at one time."""
        return lambda x, label: self(x, torch.full((len(x),), t, dtype=x.dtype, device=x.device), label)

    def error(self, target: Tensor, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """Mean squared error against `target`, over that which F's scale stands for, `(batch,)`.

        Args:
            target: where the flow ends, `(batch, *shape)`.
            x: states at times `t`, `(batch,)`.
            t: times above the clock's first.
            label: class numbers `(batch,)`, or None.
        """
        base, out, given, level = self._parts(x, t, label)
        answer = self.process.basis.coordinates(self.denoiser.answer(given, level, label).float())
        end = self.process.basis.state(base + self._wide(out, base) * answer)
        # Of all modes alike: by its own scale a fine mode would count as much as what the picture shows.
        miss = (end - target) / per_item(out.reshape(len(out), -1).square().mean(1).sqrt(), x)
        if self.denoiser.sketch is not None:
            miss = self.denoiser.sketch.felt(miss, target)
        return miss.square().flatten(1).mean(1)

    def loss(self, data: Tensor, generator: torch.Generator, label: Tensor | None = None) -> Tensor:
        """What the lesson says of a batch."""
        return self.lesson.loss(self, data, generator, label)

    def leap(self, x: Tensor, t: float, s: float, label: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """One evaluation, and back into the noise.

        Args:
            x: states at time `t`, `(batch, *shape)`.
            t: the time.
            s: an earlier one, nearer to the data.
            label: class numbers `(batch,)`, or None.

        Returns:
            Where the flows from `x` end, and where they are at `s`.
        """
        basis, now = self.process.basis, torch.full((len(x),), t, dtype=x.dtype, device=x.device)
        with torch.autocast(x.device.type, enabled=False):
            e, u = self._walk(x, now, label, s)
        end = self._answer(x, now, label, e)
        return end, basis.state(u + self._carried(x, basis.coordinates(end), e, t, s))

    def skip(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """e(x, t): where the skip path's own flow ends, in the coordinates of the basis."""
        return self._walk(x, t, label)[0]

    def _walk(
        self, x: Tensor, t: Tensor, label: Tensor | None, stop: float | None = None
    ) -> tuple[Tensor, Tensor]:
        """The end of the skip path's flow, and its state at `stop`; in the coordinates of the basis."""
        process, basis, dtype = self.process, self.process.basis, x.dtype
        clock = sent(process.few_times(_WALK), x.device)
        u, now = basis.coordinates(x), torch.minimum(clock[0], t.double())
        clock, met = clock[1:], u
        if stop is not None:
            clock = torch.cat([clock[clock != stop], clock.new_tensor([stop])]).sort(descending=True).values
        before: tuple[Tensor, Tensor] | None = None
        d = self.denoiser.parts(x, now.to(dtype), label)[0]
        for time in clock:
            then = torch.minimum(time, t.double())  # no step at all for items that begin below
            keep, gain, share, step = (self._wide(c, u).to(dtype) for c in self._step(now, then, u.shape[1:]))
            slope = torch.zeros_like(d) if before is None else _over(d - before[0], before[1])
            foretold = keep * u + gain * (d + share * step * slope)
            found = self.denoiser.parts(basis.state(foretold), then.to(dtype), label)[0]
            u = keep * u + gain * (d + share * (found - d))
            before, d, now = (d, step), found, then
            met = u if time == stop else met
        return d, met

    def _carried(self, x: Tensor, end: Tensor, e: Tensor, t: float, s: float) -> Tensor:
        """κ (x̂ − e): how far the flow lies from the skip path's at `s`, in the coordinates of the basis."""
        process, off = self.process, end - e
        times = torch.tensor([t, s], dtype=torch.float64, device=x.device)
        A, A2 = process.signal(times, x.shape[1:]).to(x.dtype)
        kept = float(process.B(times[1]) / process.B(times[0]))
        size = _mean(off).sqrt()
        now = A * size + _mean(process.basis.coordinates(x) - A * end).sqrt()
        noise = now.square() - (A * size).square()
        then = ((A2 * size).square() + kept**2 * noise).sqrt()
        carried: Tensor = (then - kept * now) / size.clamp_min(1e-12) * off
        return carried

    def _step(self, now: Tensor, then: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """B'/B, A' − (B'/B) A `(batch, *modes)`, θ, and the step in what the field is smooth in."""
        process = self.process
        keep = process.B(then) / process.B(now)
        A, A2 = process.signal(now, shape), process.signal(then, shape)
        r, r2 = (process.progress(c).clamp_max(_LARGEST_RATIO) for c in (now, then))
        ratio = (process.B(now) / process.A(now)).clamp_max(_LARGEST_RATIO)
        q = ratio / (process.B(then) / process.A(then))
        more = (q - 1).clamp_min(1e-4)
        share = torch.where(q - 1 > 1e-4, q * (1 - torch.log1p(more) / more) / more, 0.5)
        return keep, A2 - self._wide(keep, A) * A, share, r2 - r

    def _parts(
        self, x: Tensor, t: Tensor, label: Tensor | None, e: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """e, b c_out, what the network is given, and c_noise."""
        with torch.autocast(x.device.type, enabled=False):
            end = self.skip(x, t, label) if e is None else e
            _, out, given, level = self.denoiser.parts(x, t, label, end)
            return end, out * self._wide(self._boundary(t), out).to(out.dtype), given, level

    def _boundary(self, t: Tensor) -> Tensor:
        """b: 0 at the clock's first time, about 1 from its next walked one on."""
        process = self.process
        low = process.progress(sent(process.times(_WALK)[-2:], t.device))
        above = (process.progress(t.double()) - low[1]).clamp(0, _LARGEST_RATIO)
        return above / (above + low[0] - low[1])

    @staticmethod
    def _wide(values: Tensor, like: Tensor) -> Tensor:
        """One value an item, or one a mode, as it broadcasts over `like`."""
        return values.reshape(-1, *(1,) * (like.ndim - 1)) if values.ndim == 1 else values


def _mean(u: Tensor) -> Tensor:
    """The mean square of each item, shaped to broadcast over it."""
    return u.square().mean(tuple(range(1, u.ndim)), keepdim=True)


def _over(rise: Tensor, run: Tensor) -> Tensor:
    """rise/run, 0 where there was no step."""
    return torch.where(run == 0, 0.0, rise / torch.where(run == 0, 1.0, run))


def consistent(field: LearnedField[Any]) -> ConsistencyField:
    """A consistency field around a denoiser.

    Raises:
        InputError: the field of a process that is not linear.
    """
    if not isinstance(field, NeuralField):
        raise InputError(
            f"objective=consistency: process {field.process.name} has none; linear ones do, such as vp"
        )
    return ConsistencyField(field)
