"""The closed list of processes by name, and `parse`, which reads `poisson:D=128`."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass

from unstir import spec
from unstir.errors import InputError
from unstir.physics.basis import CosineModes
from unstir.physics.bridge import bridge
from unstir.physics.capacitor import capacitor
from unstir.physics.coins import coins
from unstir.physics.damping import LogBlur, SineBlur
from unstir.physics.heat import DampedProcess, HeatProcess
from unstir.physics.kac import kac
from unstir.physics.langevin import langevin
from unstir.physics.linear import LinearProcess
from unstir.physics.noise import Gaussian, Noise, StudentT
from unstir.physics.pde import PDE, pde
from unstir.physics.pfgm import pfgm
from unstir.physics.process import Process
from unstir.physics.schedule import (
    Constant,
    Cosine,
    Exponential,
    Linear,
    LinearBeta,
    Rotation,
    Schedule,
    Straight,
)
from unstir.physics.stable import StableMixture
from unstir.physics.yukawa import InverseGaussianMixture


def edm(sigma_min: float = 0.002, sigma_max: float = 80.0) -> LinearProcess:
    """Diffusion whose clock is the noise level itself (Karras 2022, EDM)."""
    _check_range(sigma_min, sigma_max)
    name = spec.name_of("edm", edm, sigma_min=sigma_min, sigma_max=sigma_max)
    return LinearProcess(name, Linear(sigma_min, sigma_max), Gaussian())


def ve(sigma_min: float = 0.01, sigma_max: float = 50.0) -> LinearProcess:
    """Diffusion in which data stay and noise grows far beyond them (Song 2021)."""
    _check_range(sigma_min, sigma_max)
    name = spec.name_of("ve", ve, sigma_min=sigma_min, sigma_max=sigma_max)
    return LinearProcess(name, Exponential(sigma_min, sigma_max), Gaussian())


def vp(schedule: str = "linear") -> LinearProcess:
    """Diffusion in which data fade as noise comes up, DDPM's (Ho 2020; cosine schedule Nichol 2021)."""
    schedules: dict[str, Schedule] = {"linear": LinearBeta(), "cosine": Cosine()}
    if schedule not in schedules:
        raise InputError(f"schedule={schedule}: the schedules of vp are linear and cosine")
    return LinearProcess(spec.name_of("vp", vp, schedule=schedule), schedules[schedule], Gaussian())


def rectified() -> LinearProcess:
    """Rectified flow: straight lines from data to noise (Lipman 2023; Liu 2023)."""
    return LinearProcess("rectified", Straight(), Gaussian())


def poisson(D: float = 128.0, sigma_min: float = 0.002, sigma_max: float = 80.0) -> LinearProcess:
    """Charges in D extra dimensions: few make the noise's tails heavy, very many are diffusion (Xu 2023)."""
    law = _charges(D)
    _check_range(sigma_min, sigma_max)
    name = spec.name_of("poisson", poisson, always=("D",), D=D, sigma_min=sigma_min, sigma_max=sigma_max)
    return LinearProcess(name, Linear(sigma_min, sigma_max), law)


def yukawa(kappa: float = 1.0, sigma_min: float = 0.002, sigma_max: float = 80.0) -> LinearProcess:
    """Screened charges: heavy tails where κ is small, nearly diffusion where it is large (after Liu 2023)."""
    if not 0 < kappa < math.inf:
        raise InputError(f"kappa={kappa:g}: the screening must be positive and finite, such as kappa=1")
    _check_range(sigma_min, sigma_max)
    name = spec.name_of(
        "yukawa", yukawa, always=("kappa",), kappa=kappa, sigma_min=sigma_min, sigma_max=sigma_max
    )
    return LinearProcess(name, Linear(sigma_min, sigma_max), InverseGaussianMixture(kappa))


def levy(alpha: float = 1.8, sigma_min: float = 0.002, sigma_max: float = 80.0) -> LinearProcess:
    """Noise with jumps of every size, the wilder the smaller α; α = 2 is diffusion (Shariatian 2025)."""
    if not (0.2 <= alpha <= 1.99 or alpha == 2):
        raise InputError(f"alpha={alpha:g}: give a stability from 0.2 to 1.99, or 2 for diffusion")
    _check_range(sigma_min, sigma_max)
    name = spec.name_of(
        "levy", levy, always=("alpha",), alpha=alpha, sigma_min=sigma_min, sigma_max=sigma_max
    )
    law: Noise = Gaussian() if alpha == 2 else StableMixture(alpha)
    return LinearProcess(name, Linear(sigma_min, sigma_max), law)


def oscillator() -> LinearProcess:
    """A spring let go at the data, a quarter turn in phase space (Holderrieth 2024)."""
    return LinearProcess("oscillator", Rotation(), Gaussian())


def heat(sigma: float = 0.02, blur: float = 0.5) -> HeatProcess:
    """Inverse heat dissipation: a plate that cools to one temperature (Rissanen 2022)."""
    if not 0 < sigma < 1:
        raise InputError(f"sigma={sigma:g}: the noise must lie between 0 and 1, such as 0.02")
    _check_blur(blur)
    name = spec.name_of("heat", heat, sigma=sigma, blur=blur)
    return HeatProcess(name, Constant(sigma), Gaussian(), CosineModes(), damping=LogBlur(blur))


def blurring(blur: float = 0.625) -> DampedProcess:
    """Blurring diffusion: heat flows while noise comes up; blur 0 is vp (Hoogeboom & Salimans 2022)."""
    _check_blur(blur)
    return DampedProcess(
        spec.name_of("blurring", blurring, blur=blur),
        _BLURRED,
        Gaussian(),
        CosineModes(),
        damping=SineBlur(blur),
    )


def heat_poisson(D: float = 128.0, blur: float = 0.625) -> DampedProcess:
    """Blurring with the charges' heavy-tailed noise of D extra dimensions; new here."""
    _check_blur(blur)
    name = spec.name_of("heat_poisson", heat_poisson, always=("D",), D=D, blur=blur)
    return DampedProcess(name, _BLURRED, _charges(D), CosineModes(), damping=SineBlur(blur))


# log(A²/B²) from 10 to −10 (Hoogeboom & Salimans 2022, appendix A).
_BLURRED = Rotation(math.atan(math.exp(-5)), math.atan(math.exp(5)))

# A new physics is a new file and a line here.
_PROCESSES: dict[str, Callable[..., Process]] = {
    "vp": vp,
    "ve": ve,
    "edm": edm,
    "rectified": rectified,
    "poisson": poisson,
    "pfgm": pfgm,
    "yukawa": yukawa,
    "oscillator": oscillator,
    "levy": levy,
    "kac": kac,
    "heat": heat,
    "blurring": blurring,
    "heat_poisson": heat_poisson,
    "langevin": langevin,
    "coins": coins,
    "capacitor": capacitor,
    "bridge": bridge,
}


@dataclass(frozen=True)
class Entry:
    """One row of `unstir processes`: a name, its parameters with their defaults, and one line of what."""

    name: str
    parameters: dict[str, spec.Value]
    summary: str


def entries() -> list[Entry]:
    """Every process there is."""
    return [_entry(name, make) for name, make in _PROCESSES.items()]


def entry_of_pde() -> Entry:
    """The row for any other linear PDE, which is no process of the list: nothing is trained for it."""
    return _entry("pde", pde)


def _entry(name: str, make: Callable[..., object]) -> Entry:
    return Entry(name, spec.defaults(make), (inspect.getdoc(make) or "").splitlines()[0])


def parse(text: str) -> Process:
    """The process that `text` names, such as `edm`, `poisson:D=128` or `yukawa:kappa=1,sigma_max=40`.

    Raises:
        InputError: an unknown name (the known ones are listed) or parameter, or a value out of range.
    """
    if text.strip().partition(":")[0] == "pde":
        raise InputError(
            f"process {text!r}: a PDE generates with its exact field, with nothing to train: "
            "use unstir pde, or unstir.physics.pde in Python"
        )
    return spec.parse("process", text, _PROCESSES)


def parse_pde(text: str) -> PDE:
    """The PDE of `pde`'s parameters, such as `row=screened,m=0.5`.

    Raises:
        InputError: an unknown row or parameter, or a value out of range.
    """
    return spec.parse("pde", f"pde:{text}", {"pde": pde})


def _check_range(sigma_min: float, sigma_max: float) -> None:
    if not 0 < sigma_min < sigma_max < math.inf:
        raise InputError(
            f"sigma_min={sigma_min:g}, sigma_max={sigma_max:g}: noise levels need 0 < sigma_min < sigma_max"
        )


def _check_blur(blur: float) -> None:
    if not 0 <= blur <= 10:
        raise InputError(f"blur={blur:g}: the largest blur is a share of the image's side, such as 0.5")


def _charges(D: float) -> Noise:
    if not D >= 1:
        raise InputError(
            f"D={D:g}: Poisson flow needs at least one extra dimension; give D=1 or more, such as 128"
        )
    return Gaussian() if math.isinf(D) else StudentT(D)
