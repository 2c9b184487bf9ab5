"""Which device, which precision, how many threads."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from unstir.train.machine import choose_device, has_fast_bfloat16, memory_explained

Refused = Callable[..., str]


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


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: 9"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError(),
    ],
)
def test_too_little_memory_is_one_line(refused: Refused, error: Exception) -> None:
    def lacking() -> None:
        with memory_explained("data x: do not fit", "give fewer"):
            raise error

    assert refused(lacking) == "data x: do not fit; give fewer"


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes"), memory_explained("data x: do not fit", "give fewer"):
        raise RuntimeError("shapes do not agree")


def test_fast_bfloat16_is_a_yes_or_a_no() -> None:
    assert has_fast_bfloat16(torch.device("cpu")) in (True, False)
    assert has_fast_bfloat16(torch.device("mps")) is False
