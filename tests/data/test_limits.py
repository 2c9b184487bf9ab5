from collections.abc import Callable

import pytest

from unstir.data import limits
from unstir.data.limits import FREE_EXPANSION, MAX_EXPANSION, check_expansion, check_memory, size_text

Refused = Callable[..., str]


def test_sizes_for_people() -> None:
    sizes = [size_text(n) for n in (0, 1023, 1536, 5 * 2**30, 3 * 2**40)]
    assert sizes == ["0 bytes", "1023 bytes", "1.5 KiB", "5.0 GiB", "3.0 TiB"]


def test_memory_is_the_limit(monkeypatch: pytest.MonkeyPatch, refused: Refused) -> None:
    monkeypatch.setattr(limits, "physical_memory", lambda: 2**30)
    check_memory("x.npy", 2**30)
    message = refused(check_memory, "x.npy", 2**31)
    assert message.startswith("x.npy needs 2.0 GiB, more than the 1.0 GiB of memory here: give fewer")


def test_without_knowledge_of_memory_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "physical_memory", lambda: None)
    check_memory("x.npy", 2**80)


def test_this_machine_has_memory() -> None:
    memory = limits.physical_memory()
    assert memory is None or 2**28 < memory < 2**50


def test_expansion(refused: Refused) -> None:
    check_expansion("x.gz", 1, FREE_EXPANSION, "unpack it")
    check_expansion("x.gz", FREE_EXPANSION, MAX_EXPANSION * FREE_EXPANSION, "unpack it")
    message = refused(check_expansion, "x.gz", 1, FREE_EXPANSION + 1, "unpack it")
    assert "decompression bombs do: if you trust it, unpack it" in message
