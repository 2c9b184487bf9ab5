"""Which device, which precision, how many threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import torch

from unstir.train.machine import choose_device, choose_threads, has_fast_bfloat16

Refused = Callable[..., str]


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_devices_that_are_here() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert choose_device("auto").type == best


@pytest.mark.parametrize("name", ["gpu", "meta", "xla", "", "cpu:x", "CUDA please", "vulkan"])
def test_unknown_devices(refused: Refused, name: str) -> None:
    assert refused(choose_device, name).startswith(f"device={name}: is no device known here; give auto, cpu")


@pytest.mark.parametrize("name", ["cuda", "cuda:0"])
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one here")
def test_a_device_that_is_not_here(refused: Refused, name: str) -> None:
    assert (
        refused(choose_device, name) == f"device={name}: is not available on this machine; give auto or cpu"
    )


def test_fast_bfloat16_is_a_yes_or_a_no() -> None:
    assert has_fast_bfloat16(torch.device("cpu")) in (True, False)
    assert has_fast_bfloat16(torch.device("mps")) is False


@pytest.mark.parametrize(
    ("alone", "together", "wanted"),
    [
        (0.3, 0.2, 4),  # parallel work pays
        (0.01, 0.9, 1),  # threads wait for each other
        (0.30, 0.32, 4),  # too near to tell: the default stays
        (0.30, 0.36, 1),
        (20.0, 9.0, 4),
    ],
)
@pytest.mark.usefixtures("threads")
def test_the_faster_number_of_threads(
    monkeypatch: pytest.MonkeyPatch, alone: float, together: float, wanted: int
) -> None:
    clock = [0.0]
    calls: list[int] = []

    def work() -> None:
        calls.append(torch.get_num_threads())
        first = 0.5 if len(calls) in (1, 4) else 0.0  # set-up, which must not count
        clock[0] += first + (alone if torch.get_num_threads() == 1 else together)

    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    torch.set_num_threads(4)
    assert choose_threads(work) == wanted
    assert set(calls) == {1, 4}
    assert torch.get_num_threads() == 4


@pytest.mark.usefixtures("threads")
def test_work_that_fails_leaves_the_threads_as_they_were() -> None:
    def work() -> None:
        raise RuntimeError("no")

    torch.set_num_threads(3)
    with pytest.raises(RuntimeError, match="no"):
        choose_threads(work)
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("threads")
def test_one_thread_is_not_measured() -> None:
    torch.set_num_threads(1)
    assert choose_threads(lambda: pytest.fail("was measured")) == 1
