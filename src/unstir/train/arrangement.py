"""How a machine does a network's arithmetic fastest: measured at the start of a run, kept in its config.yaml.

One thing after the other: bfloat16 or float32, channels last or first, all threads or one, compiled or not.
The usual stays unless another, measured by turns with it, is faster by more than chance. A budget in steps
takes the usual unmeasured, so as to repeat bit for bit. Compiling itself takes minutes, so that only long
budgets have it measured; where there is no compiler, it is not faster.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from unstir.fields import LearnedField
from unstir.fields.augmented import core
from unstir.fields.networks import CONVOLVING
from unstir.train.machine import using_threads

_PATIENCE = 1.04  # the usual one must be beaten by this much
_ITEMS = 32  # of a batch, whose loss and gradient are timed
_TURNS = 3
_PASSES = 3  # a turn
_LONG = 1.0  # seconds, after which there is no third turn, nor a further pass
_BACKEND = "inductor"


@dataclass(frozen=True)
class Arrangement:
    """What does not change the result but for rounding.

    Attributes:
        bfloat16: whether the network's arithmetic is autocast.
        channels_last: whether weights of convolutions lie with their channels last.
        threads: of the CPU.
        compiled: whether torch.compile works out the network.
    """

    bfloat16: bool
    channels_last: bool
    threads: int
    compiled: bool = False


def lies_last(network: str, device: torch.device) -> bool:
    """Whether a network of that name is the faster with channels last where nothing is measured.

    On processors convolutions are, in both precisions, with and without AVX-512 (`benchmarks/passes.py`).
    """
    return network in CONVOLVING and device.type == "cpu"


def lay(field: LearnedField[Any], *, channels_last: bool, compiled: bool = False) -> None:
    """Lay the weights of a field's convolutions in memory, and compile it or not: before an optimiser."""
    network = core(field)
    if compiled:
        network.compile(backend=_BACKEND)
    else:
        network._compiled_call_impl = None  # torch has no other way back
    layout = torch.channels_last if channels_last else torch.contiguous_format
    field.network.to(memory_format=layout)  # type: ignore[call-overload]  # torch's types leave it out


def fastest(
    field: LearnedField[Any], items: Tensor, labels: Tensor | None, usual: Arrangement, *, free: set[str]
) -> Arrangement:
    """The fastest for a step of `items` `(n, *shape)`, with only the attributes in `free` changed."""
    batch = items[: field.items(_ITEMS)]
    label = None if labels is None else labels[: len(batch)]
    best = usual
    others: dict[str, bool | int] = {
        "bfloat16": not usual.bfloat16,
        "channels_last": not usual.channels_last,
        "threads": 1,
        "compiled": not usual.compiled,
    }
    for name, value in others.items():
        if name not in free or getattr(usual, name) == value:
            continue
        other = replace(best, **{name: value})  # type: ignore[arg-type]  # each of its own kind
        least, begun = dict.fromkeys((best, other), float("inf")), time.perf_counter()
        # Each turn of a compiled one would compile it anew. On a busy machine one turn has told untruths.
        for turn in range(1 if name == "compiled" else _TURNS):
            for each in list(least)[:: -1 if turn % 2 else 1]:
                least[each] = min(least[each], _seconds(field, batch, label, each))
            if turn and time.perf_counter() - begun > _LONG:
                break
        if least[other] * _PATIENCE < least[best]:
            best = other
    return best


def _seconds(
    field: LearnedField[Any], batch: Tensor, label: Tensor | None, arrangement: Arrangement
) -> float:
    """Of one loss and its gradient, the least of some."""
    lay(field, channels_last=arrangement.channels_last, compiled=arrangement.compiled)
    field.eval()  # nothing that a network keeps of its batches may change
    parameters = [p for p in field.parameters() if p.requires_grad]

    def once() -> None:
        with torch.autocast(batch.device.type, torch.bfloat16, enabled=arrangement.bfloat16):
            loss = field.loss(batch, torch.Generator().manual_seed(0), label)
        torch.autograd.grad(loss, parameters, allow_unused=True)
        if batch.device.type == "cuda":
            torch.cuda.synchronize(batch.device)

    least = float("inf")
    with using_threads(arrangement.threads):
        if arrangement.compiled:
            try:
                once()
            except Exception:  # whatever a missing or broken compiler raises
                return least
        for _ in range(_PASSES):
            start = time.perf_counter()
            once()
            seconds = time.perf_counter() - start
            least = min(least, seconds)
            if seconds > _LONG:
                break
    return least
