"""Several processes that train and sample as one: `accelerate launch -m unstir …`, torchrun, MPI.

Every process draws the random numbers of the whole batch, gives the network its own rows of it, and gathers
the answers F of all, so that each has the loss L of the whole batch, whatever the objective. Back through its
own rows alone goes a part of the gradient, and the parts' sum is the gradient of one process with that batch:

    dL/dθ = Σ_r Σ_{i ∈ rows(r)} dL/dF_i · dF_i/dθ

What is not the network is done by all alike. A cluster of one process does nothing of this.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

from unstir.errors import FollowedError, InputError

T = TypeVar("T")

_PATIENCE = timedelta(minutes=10)  # for a process that does not answer; one that has died is known at once
# As torchrun and accelerate name them, then Intel's MPI and Open MPI.
_RANKS = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK")
_SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE")
_REFUSED = ("DEEPSPEED", "MEGATRON_LM")
_LOCALS = ("LOCAL_RANK", "MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK")


@dataclass(frozen=True)
class Cluster:
    """This process among those of its launch.

    Attributes:
        rank: its number; process 0 leads: it alone writes and speaks.
        size: how many there are.
        sharded: whether each holds only its part of the network while training (`sharding.py`).
    """

    rank: int = 0
    size: int = 1
    sharded: bool = False

    @property
    def leads(self) -> bool:
        """Whether this process writes and speaks."""
        return self.rank == 0

    def rows(self, n: int, rank: int | None = None) -> tuple[int, int]:
        """The first and the end of this process's rows of `n`, or of those of another `rank`."""
        rank = self.rank if rank is None else rank
        return n * rank // self.size, n * (rank + 1) // self.size

    @contextmanager
    def sharing(self, network: nn.Module) -> Iterator[None]:
        """Within the block `network` works out this process's rows alone, and answers with those of all."""
        if self.size == 1:
            yield
            return
        counts: list[int] = []

        def own(
            _network: nn.Module, given: tuple[Any, ...], named: dict[str, Any]
        ) -> tuple[tuple[Any, ...], dict[str, Any]]:
            n = len(given[0])
            counts.append(n)
            low, high = self.rows(n)
            # A batch smaller than the cluster leaves some with no row: they do one for nothing.
            rows = slice(low, max(high, low + 1))

            def part(value: object) -> object:
                return value[rows] if isinstance(value, Tensor) and value.ndim and len(value) == n else value

            return tuple(map(part, given)), {name: part(value) for name, value in named.items()}

        def whole(_network: nn.Module, _given: object, answer: Tensor) -> Tensor:
            return self._all_rows(answer, counts.pop())

        hooks = (
            network.register_forward_pre_hook(own, with_kwargs=True),
            network.register_forward_hook(whole),
        )
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _all_rows(self, own: Tensor, n: int) -> Tensor:
        """The rows of all processes, `(n, …)`; the gradient goes to `own`."""
        low, high = self.rows(n)
        most = -(-n // self.size)
        sent = own.new_zeros((most, *own.shape[1:]))
        sent[: high - low] = own.detach()[: high - low]
        sent = _reachable(sent)
        received = [torch.empty_like(sent) for _ in range(self.size)]
        with _all_there():
            distributed.all_gather(received, sent)
        ends = [self.rows(n, rank) for rank in range(self.size)]
        parts = [part[: b - a].to(own.device) for part, (a, b) in zip(received, ends, strict=True)]
        parts[self.rank] = own[: high - low]
        return torch.cat(parts)

    def sum_gradients(self, network: nn.Module) -> None:
        """Replace each gradient of `network` by its sum over all processes: parts are summed already."""
        if self.size == 1 or self.sharded:
            return
        gradients = []
        for parameter in network.parameters():
            if parameter.requires_grad:
                if parameter.grad is None:  # all must send the same numbers
                    parameter.grad = torch.zeros_like(parameter)
                gradients.append(parameter.grad)
        flat = _reachable(torch.cat([gradient.flatten() for gradient in gradients]))
        with _all_there():
            distributed.all_reduce(flat)
        parts = torch.split(flat.to(gradients[0].device), [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def summed(self, *values: float) -> list[float]:
        """Each of `values` summed over all processes."""
        if self.size == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64)
        with _all_there():
            distributed.all_reduce(sums)
        return [float(value) for value in sums]

    def told(self, *values: float) -> list[float]:
        """The leader's `values`, on every process."""
        return self.summed(*(value if self.leads else 0.0 for value in values))

    def wait(self) -> None:
        """Until all processes are here."""
        self.summed(0.0)

    def led(self, work: Callable[[], T]) -> T:
        """What `work` gives on the leader, which alone does it, on every process.

        Raises:
            InputError: it raised one.
        """
        if self.size == 1:
            return work()
        told: list[Any] = [None, None]
        if self.leads:
            try:
                told[0] = work()
            except InputError as error:
                told[1] = str(error)
        with _all_there():
            distributed.broadcast_object_list(told, device=torch.device("cpu"))
        self._raise([told[1]])
        value: T = told[0]
        return value

    def together(self, work: Callable[[], T]) -> T:
        """What `work` gives here, once it is done by all.

        Raises:
            InputError: it raised one on some process; the leader has the message of the first.
        """
        if self.size == 1:
            return work()
        value, failure = None, None
        try:
            value = work()
        except InputError as error:
            failure = str(error)
        failures: list[str | None] = [None] * self.size
        with _all_there():
            distributed.all_gather_object(failures, failure)
        self._raise(failures)
        return value  # type: ignore[return-value]

    def _raise(self, failures: Sequence[str | None]) -> None:
        for rank, failure in enumerate(failures):
            if failure is not None and self.leads:
                raise InputError(failure if rank == 0 else f"process {rank}: {failure}")
            if failure is not None:
                raise FollowedError(failure)

    def drawn(self, n: int, draw: Callable[[int, int], Tensor]) -> Tensor | None:
        """`n` samples that all processes draw together, on the leader; None on the others.

        Args:
            n: how many.
            draw: gives the samples from a first one to an end, in their order.

        Raises:
            InputError: drawing failed on some process.
        """
        low, high = self.rows(n)
        own = self.together(lambda: draw(low, high) if high > low else None)
        if self.size == 1:
            return own
        parts: list[Tensor | None] | None = [None] * self.size if self.leads else None
        with _all_there():
            distributed.gather_object(own, parts)
        return None if parts is None else torch.cat([part for part in parts if part is not None])


def joined() -> Cluster:
    """The cluster of this launch, entered if it was not yet; one process alone where nothing was launched.

    Raises:
        InputError: the other processes do not come, or the launch asks for another kind of sharing.
    """
    for kind in _REFUSED:
        if _asked(kind):
            raise InputError(f"launch: {kind} is not supported; launch with --multi_gpu or --use_fsdp")
    rank, size = _number(_RANKS, -1), _number(_SIZES, 1)
    if size == 1 or rank < 0:
        return Cluster()
    if not distributed.is_initialized():
        cuda = torch.cuda.is_available() and distributed.is_nccl_available()
        if cuda:
            torch.cuda.set_device((local_rank() or 0) % torch.cuda.device_count())
        with _all_there():
            distributed.init_process_group(
                "cpu:gloo,cuda:nccl" if cuda else "gloo", rank=rank, world_size=size, timeout=_PATIENCE
            )
    return Cluster(rank, size, sharded=_asked("FSDP"))


def _asked(kind: str) -> bool:
    """Whether `accelerate launch` was told to share the network in this way."""
    return os.environ.get(f"ACCELERATE_USE_{kind}", "").lower() in ("true", "1", "yes")


def leave() -> None:
    """Leave the cluster, where one was joined."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def local_rank() -> int | None:
    """The number of this process among those of its launch on this machine; None where none was launched."""
    rank = _number(_LOCALS, -1)
    return None if rank < 0 else rank


def forced_to_cpu() -> bool:
    """Whether `accelerate launch` was told to use the CPU."""
    return os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("true", "1", "yes")


def _number(names: Sequence[str], otherwise: int, environment: Mapping[str, str] = os.environ) -> int:
    return next((int(environment[name]) for name in names if environment.get(name, "").isdigit()), otherwise)


def _reachable(tensor: Tensor) -> Tensor:
    """A tensor where processes can send it from: no backend knows Apple's devices."""
    return tensor if tensor.device.type in ("cpu", "cuda") else tensor.cpu()


@contextmanager
def _all_there() -> Iterator[None]:
    """Say in one line that another process is gone."""
    try:
        yield
    except (distributed.DistError, RuntimeError) as error:
        # gloo begins with a place in its source, and ends with advice.
        reason = re.sub(r"^\[[^]]*\] ", "", str(error).splitlines()[0]).split(". ")[0]
        raise InputError(
            f"launch: another process of it has ended, or does not answer ({reason[:200]}); "
            "go on from the last checkpoint with --resume"
        ) from None
