"""Code: the parts of a script that makes what the page shows, as each family of processes writes them.

A script is the library's plain use: data, process, field, flow. `times`, `forward` and `backward` in it are
what a path answers, number for number.
"""

from __future__ import annotations

from dataclasses import dataclass

_PERTURBED = """\
# Forward: the same random numbers at every time, so that what moves is the physics.
# Parts of 200 share a generator, and particle i depends on the seed and i alone.
first = items[torch.arange(-(-n // 200) * 200) % len(items)]
forward = []
for time in times:
    parts = []
    for k, part in enumerate(torch.split(first, 200)):
        generator = torch.Generator().manual_seed(seed * 1_000_003 + k)
        t = torch.full((len(part),), time, dtype=torch.float64)
        parts.append(process.observed(process.perturb(part, t, generator)))
    forward.append(torch.cat(parts)[:n])
forward[0] = first[:n].to(forward[0].dtype)  # at t_min they are the data
forward = torch.stack(forward)
"""

_CARRIED = """\
# Forward: along field lines, from the data's plate to the other.
first = items[torch.arange(n) % len(items)]
walk = flow.trajectory(
    process, field, first, solver=flow.Lines(direction="forward"), steps={forward_steps},
    streams=flow.Streams(seed, 0, n), denoise=False,
)
forward = torch.stack([step.state for step in walk])
"""

FLOWN = """\
# Backward: from the prior, by the field.
streams = flow.Streams(seed, 0, n)
x = streams.draw(lambda generator: process.prior(1, tuple(items.shape[1:]), generator))
solver = {solver}
walk = flow.trajectory(process, field, x, solver=solver, {steps}, streams=streams)
backward = [process.observed(step.state) for step in walk]
{merge}backward = torch.stack(backward)
"""

_CLOUDS = """\
# Particles, with births and deaths where the PDE has them: clouds of changing size.
generator = torch.Generator().manual_seed(seed * 1_000_003)
forward = [cloud.position for cloud in process.forward(items.double(), n, generator, steps={frames} - 1)]
"""

_CLOUDS_BACK = """\
generator = torch.Generator().manual_seed(seed * 1_000_003 + 1)
backward = [cloud.position for cloud in process.backward(items.double(), n, generator, steps={frames} - 1)]
"""


@dataclass(frozen=True)
class Code:
    """What a family writes.

    Attributes:
        field: an expression of `process` and `items`.
        imports: that it needs, beside the usual ones.
        process: an expression of the name `{name}`.
        forward, backward: statements.
    """

    field: str = "fields.ExactField(process, items)"
    imports: str = ""
    process: str = 'physics.parse("{name}").prepared(items)'
    forward: str = _PERTURBED
    backward: str = FLOWN


LINEAR = Code()
KAC = Code("oracle.KacField(process, items)", "from unstir.picture import oracle\n")
PHASE = Code("oracle.PhaseField(process, items)", "from unstir.picture import oracle\n")
PLATES = Code("fields.ExactPlates(process, items)", forward=_CARRIED)
COINS = Code("fields.ExactCoins(process, items)")
BRIDGE = Code("oracle.PairsField(process, items)", "from unstir.picture import oracle\n")
CLOUDS = Code(
    "process.current(items.double())",
    process='physics.parse_pde("{pde}")',
    forward=_CLOUDS,
    backward=_CLOUDS_BACK,
)
