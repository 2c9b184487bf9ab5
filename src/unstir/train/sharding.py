"""A network that lies in parts on all processes: torch's `fully_shard` (FSDP2; Zhao 2023, Rajbhandari 2020).

Of each weight, its gradient, its average and the optimiser's state a process holds its part alone. The whole
weights of a block are there while it works, and are given up after it. Gradients are summed over processes,
not averaged: each has its own rows of one batch (`cluster.py`). Checkpoints hold whole tensors, so that a run
goes on with any number of processes, in parts or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeGuard

import torch
from torch import Tensor, distributed, nn

if TYPE_CHECKING:  # takes half a second to import, and one process alone has no use for it
    from torch.distributed.tensor import DTensor


def shard(network: nn.Module) -> None:
    """Part the weights of `network`, in place: each block of its lists by itself, then what is left.

    Torch's own process group must be there, and no optimiser yet.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FSDPModule, fully_shard

    mesh = init_device_mesh(next(network.parameters()).device.type, (distributed.get_world_size(),))
    lists = [module for module in network.modules() if isinstance(module, nn.ModuleList)]
    for blocks in reversed(lists):  # the inner ones first
        for block in blocks:
            if not isinstance(block, nn.ModuleList) and any(True for _ in block.parameters()):
                fully_shard(block, mesh=mesh)
    network.register_forward_hook(_own)
    fully_shard(network, mesh=mesh)
    for module in network.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)  # gloo knows no sum with a factor


def _own(_network: nn.Module, _given: object, answer: Tensor) -> Tensor:
    """An answer in memory of its own: torch hangs the backward pass on it, which it loses of a view."""
    return answer.clone() if answer._is_view() else answer


def whole(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each tensor with the parts of all processes, which must all ask for the same."""
    return {name: gathered(value) for name, value in tensors.items()}


def gathered(value: Tensor) -> Tensor:
    """A tensor with the parts of all processes; any other as it is."""
    return value.full_tensor() if lies_in_parts(value) else value


def placed(value: Tensor, like: Tensor) -> Tensor:
    """A whole tensor that all processes have, in parts where `like` is; its part alone is kept."""
    if not lies_in_parts(like):
        return value
    from torch.distributed.tensor import distribute_tensor

    value = value.to(like.device)
    return distribute_tensor(value, like.device_mesh, like.placements, src_data_rank=None)


def local(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The part of each tensor that lies here."""
    with torch.no_grad():
        return [value.to_local() if lies_in_parts(value) else value for value in tensors]


def lies_in_parts(value: Tensor) -> TypeGuard[DTensor]:
    """Whether a process holds its part of a tensor alone."""
    return hasattr(value, "to_local")
