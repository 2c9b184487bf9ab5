"""What all tests share: one device and thread, refusals, a full disk, and the mixture that is the oracle."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch

from unstir.errors import InputError
from unstir.fields import MixtureField
from unstir.physics import LinearProcess

Refused = Callable[..., str]
FullDisk = Callable[[int], AbstractContextManager[None]]
Listing = Callable[[Path], list[str]]
Mixture = Callable[[LinearProcess, int], MixtureField]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--device", default="cpu", help="where fields and states live: cpu or cuda")


def pytest_configure(config: pytest.Config) -> None:
    # Small tensors, several workers: threads that wait for each other cost more than they bring.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> torch.device:
    """The device that `--device` names."""
    return torch.device(request.config.getoption("--device"))


@pytest.fixture
def refused() -> Refused:
    """Calls a function that must raise InputError, and gives its message: one printable line."""

    def call(function: Callable[..., object], *args: object, **options: object) -> str:
        with pytest.raises(InputError) as caught:
            function(*args, **options)
        message = str(caught.value)
        assert message.isprintable(), message
        return message

    return call


@pytest.fixture
def full_disk() -> FullDisk:
    """No file can grow above so many bytes: the system refuses the write, as a full disk does."""

    @contextlib.contextmanager
    def limit(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit


@pytest.fixture
def listing() -> Listing:
    """All files and folders below one, hidden ones too."""

    def everything(folder: Path) -> list[str]:
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))

    return everything


@pytest.fixture(scope="session")
def mixture() -> Mixture:
    """Well separated Gaussians carried by a process: three in 2-D, in more dimensions two.

    Together they have mean 0 and a standard deviation of about ½. In many dimensions the axes are random and
    the variances along them fall as those of images do, k^{-3/2}. That leaves about five that count, so that
    20,000 samples tell a covariance to 3 % (of equal variances in 64 dimensions they would tell it to 10 %).
    """

    def make(process: LinearProcess, size: int) -> MixtureField:
        if size == 2:
            weights = torch.tensor([0.45, 0.3, 0.25])
            means = torch.tensor([[0.6, 0.2], [-0.7, 0.4], [-0.24, -0.84]])
            covariances = torch.tensor(
                [[[0.03, 0.015], [0.015, 0.02]], [[0.02, -0.01], [-0.01, 0.03]], [[0.04, 0.0], [0.0, 0.015]]]
            )
            return MixtureField(process, weights, means, covariances)
        generator = torch.Generator().manual_seed(0)
        side = 4 / size**0.5 * torch.randn(size, generator=generator)
        means = torch.stack([0.4 * side, -0.6 * side])
        axes = torch.linalg.qr(torch.randn(2, size, size, generator=generator).double())[0]
        covariances = axes * (0.1 * torch.arange(1, size + 1).double() ** -1.5) @ axes.mT
        return MixtureField(process, torch.tensor([0.6, 0.4]), means, covariances)

    return make
