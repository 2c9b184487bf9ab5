"""A new physics in 30 lines, dust in a universe that shrinks: `python examples/own_physics.py [p]`.

Dust diffuses while space scales as a = (1 + time)^p: x = a (y + r ε), r² = ∫ dtime/a², our clock is t = r.
Try p = 0.67, a universe of matter: space outruns the dust, r has an end, and nothing is ever forgotten.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, cdist

import unstir
from unstir.measure.certificates import verify
from unstir.physics import Gaussian, LinearProcess, Schedule
from unstir.picture.registry import pictures, view_of


@dataclass(frozen=True)
class Expansion(Schedule):
    p: float = -0.3
    t_min: float = 0.002
    t_max: float = 80.0

    def A(self, t: Tensor) -> Tensor:
        return (1 + (1 - 2 * self.p) * t**2) ** (self.p / (1 - 2 * self.p))

    def B(self, t: Tensor) -> Tensor:
        return self.A(t) * t

    def dA(self, t: Tensor) -> Tensor:
        return self.A(t) * 2 * self.p * t / (1 + (1 - 2 * self.p) * t**2)

    def dB(self, t: Tensor) -> Tensor:
        return self.A(t) + self.dA(t) * t

    def time_at(self, ratio: Tensor) -> Tensor:
        return ratio


def main(p: float = -0.3, out: Path = Path("runs/example-own-physics"), n: int = 500) -> None:
    """Verify, and where all holds generate by the exact field of a spiral, and draw."""
    end = 80.0 if p < 0.5 else 0.99 * (2 * p - 1) ** -0.5
    process = LinearProcess(f"expansion:p={p:g}", Expansion(p, t_max=end), Gaussian())
    records = list(verify([process]))
    for one in records:
        print(f"{one.check:13} {one.value:8.1e}  {'holds' if one.passed else 'FAILS'}  {one.compared}")
    if all(one.passed for one in records):
        spiral = unstir.data.load("swissroll").values[:2000]
        process = process.fitted(float(spiral.std()))
        dust = unstir.sample(process, unstir.fields.ExactField(process, spiral), n)
        print(f"{n} grains, {cdist(dust, spiral).amin(1).mean():.3f} from the spiral; open {out}")
        out.mkdir(parents=True, exist_ok=True)
        for picture in pictures(view := view_of(process, "swissroll")):
            picture.draw(view).savefig(out / f"{picture.name}.png")


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]))
