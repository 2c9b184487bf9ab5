"""Posteriors of a Gaussian mixture, against the exact ones: particles, and moments of one Gaussian.

    OMP_NUM_THREADS=1 python benchmarks/posterior.py [--process vp,edm,…] [--particles 4000] [--groups 10]

Five Gaussians in the plane, of which one number is seen with a noise of 0.1: two or more of them remain.
`groups` sets of particles, each of its own seed, are put together. Errors are those of the mean, over the
posterior's deviation, and of the covariance, over its size; the bar is 5 % for both. The first line has those
of as many independent draws of the posterior itself, root mean square over 20 seeds: less cannot be asked.
The last columns are the method moments with the usual solver, of one Gaussian in 8 dimensions of which 4
numbers are seen, with as many draws as one set has particles; their first line is of draws of that posterior.
"""

import argparse
import time

import torch
from torch import Tensor

from unstir import flow, physics
from unstir.conditions import ConditionedField, Matrix, Particles
from unstir.fields import MixtureField
from unstir.flow import Streams
from unstir.physics import LinearProcess

NAMES = (
    "vp,ve,edm,rectified,oscillator,poisson:D=128,poisson:D=1,yukawa:kappa=1,levy:alpha=1.8,heat,blurring,"
    "heat_poisson:D=128,pfgm:M=500"
)
SIGMA, STIR = 0.1, 0.25


def draw(*shape: int, seed: int) -> Tensor:
    """Normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mixture(process: LinearProcess) -> MixtureField:
    """Five in the plane."""
    a = draw(5, 2, 2, seed=4)
    covariances = 0.01 * a @ a.mT + 1e-3 * torch.eye(2, dtype=torch.float64)
    means = 0.45 * draw(5, 2, seed=5)
    return MixtureField(process, torch.tensor([0.3, 0.2, 0.2, 0.15, 0.15]), means, covariances)


def gaussian(process: LinearProcess) -> MixtureField:
    """One in 8 dimensions."""
    a = draw(8, 8, seed=0)
    covariance = 0.25 * a @ a.T / 8 + 1e-3 * torch.eye(8, dtype=torch.float64)
    return MixtureField(process, torch.ones(1), 0.3 * draw(1, 8, seed=1), covariance[None])


def posterior(field: MixtureField, rows: Tensor, o: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of p(y | o), by Bayes' rule for each component."""
    means, covariances = field.means, field.covariances
    S = rows @ covariances @ rows.T + SIGMA**2 * torch.eye(len(rows), dtype=torch.float64)
    gain = covariances @ rows.T @ torch.linalg.inv(S)
    each = means + torch.einsum("kij,kj->ki", gain, o - means @ rows.T)
    seen = torch.distributions.MultivariateNormal(means @ rows.T, S).log_prob(o)
    share = torch.softmax(field.weights.log() + seen, 0)
    about = each - share @ each
    spread = covariances - gain @ rows @ covariances + about[:, :, None] * about[:, None, :]
    return share @ each, torch.einsum("k,kij->ij", share, spread)


def errors(x: Tensor, truth: tuple[Tensor, Tensor]) -> tuple[float, float]:
    """Of mean and covariance."""
    mean, covariance = truth
    return (
        float((x.mean(0) - mean).norm() / covariance.trace().sqrt()),
        float((x.T.cov() - covariance).norm() / covariance.norm()),
    )


def itself(n: int, rows: Tensor, o: Tensor) -> tuple[float, float]:
    """Errors of `n` draws of the mixture's posterior, root mean square over 20 seeds."""
    field = mixture(physics.edm())
    truth, found = posterior(field, rows, o), []
    for seed in range(20):
        y = field.sample(40 * n, torch.Generator().manual_seed(seed))
        bar = (-0.5 * ((o - y @ rows.T) / SIGMA).square().sum(1)).exp()
        kept = torch.rand(len(y), generator=torch.Generator().manual_seed(1000 + seed)) < bar
        if int(kept.sum()) < n:
            raise RuntimeError(f"{int(kept.sum())} draws of {len(y)} are left; draw more than {n}")
        found.append(errors(y[kept][:n], truth))
    return mean_square(found)


def alone(n: int, rows: Tensor, o: Tensor) -> tuple[float, float]:
    """The same of the Gaussian's posterior."""
    mean, covariance = posterior(gaussian(physics.edm()), rows, o)
    root = torch.linalg.cholesky(covariance)
    drawn = (mean + draw(n, 8, seed=seed) @ root.T for seed in range(20))
    return mean_square([errors(y, (mean, covariance)) for y in drawn])


def mean_square(found: list[tuple[float, float]]) -> tuple[float, float]:
    """The root mean square of errors."""
    mean, covariance = torch.tensor(found).square().mean(0).sqrt().tolist()
    return mean, covariance


def shown(pair: tuple[float, float]) -> str:
    """In percent, with what misses the bar named."""
    return f"{100 * pair[0]:8.1f} {100 * pair[1]:8.1f} {'      ' if max(pair) < 0.05 else 'MISSED'}"


def main() -> None:
    """Print a line for each process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--process", default=NAMES)
    for name, value in (("particles", 4000), ("groups", 10), ("steps", 40)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    n = options.particles
    print("error in %            particles: mean, covariance   moments, one Gaussian        seconds")
    rows, o = torch.tensor([[0.6, 0.8]], dtype=torch.float64), torch.tensor([[0.1]], dtype=torch.float64)
    others, seen = draw(4, 8, seed=2) / 8**0.5, draw(1, 4, seed=3)
    both = shown(itself(n * options.groups, rows, o[0])), shown(alone(n, others, seen[0]))
    print(f"{'the posterior itself':21} {both[0]}      {both[1]}", flush=True)
    for name in options.process.split(","):
        start, process = time.process_time(), physics.parse(name)
        told = process.prepared(mixture(process).sample(10_000, torch.Generator().manual_seed(0)))
        field = mixture(told)
        guided = ConditionedField(field, told, Matrix(rows, SIGMA), o)
        found = [
            flow.sample(
                told, guided, n, (2,), solver=Particles(n, STIR), steps=options.steps, seed=seed,
                dtype=torch.float64, batch=n,
            )
            for seed in range(options.groups)
        ]  # fmt: skip
        many = errors(torch.cat(found), posterior(field, rows, o[0]))
        told = process.prepared(gaussian(process).sample(10_000, torch.Generator().manual_seed(0)))
        one = gaussian(told)
        guided = ConditionedField(one, told, Matrix(others, SIGMA), seen)
        begun = guided.start(Streams(1, 0, n))
        x = flow.sample(told, guided, n, (8,), steps=options.steps, start=begun, dtype=torch.float64, batch=n)
        drawn = errors(x, posterior(one, others, seen[0]))
        print(f"{name:21} {shown(many)}      {shown(drawn)} {time.process_time() - start:8.1f}", flush=True)


if __name__ == "__main__":
    main()
