"""Networks by name, one file each.

Each has the signature `network(x, noise, label, told)`, with `noise` = ¼ ln(B/A) of shape `(batch,)` and
answers in the shape of x, or one that its field asks for. `label` is int64 `(batch,)` of 0 … `classes`, where
the number `classes` stands for no class, as does None for the whole batch. `told` is the condition of an
augmentation, `(batch, augment)`, or None for items as they are. Any module of `network(x, noise, label)` may
take their place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from unstir.data.wording import quoted, reason
from unstir.errors import InputError
from unstir.fields.dit import DiT
from unstir.fields.mlp import ResidualMLP
from unstir.fields.patchunet import PatchUNet
from unstir.fields.transformer import Transformer
from unstir.fields.unet import UNet
from unstir.fields.unet1d import UNet1d

# A new network is a new file and a line here.
NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "mlp": ResidualMLP,
    "patch-unet": PatchUNet,
    "unet": UNet,
    "dit": DiT,
    "unet1d": UNet1d,
    "transformer": Transformer,
}
FOR_IMAGES = ("patch-unet", "unet", "dit")
"""Those that gain by Muon, and by smaller batches: an image costs more than all that a step does but once."""
CONVOLVING = ("patch-unet", "unet", "unet1d")
"""Those that gain by channels last."""
LARGE_PRODUCTS = (*CONVOLVING, "dit")
"""Those whose cost is all in large products: they gain by bfloat16."""


def build_network(
    name: str,
    shape: Sequence[int],
    options: Mapping[str, Any] | None = None,
    answer: Sequence[int] | None = None,
    classes: int = 0,
    augment: int = 0,
) -> nn.Module:
    """The network `name` for items of `shape`.

    Args:
        name: one of `NETWORKS`.
        shape: of what it is given.
        options: the constructor's own, such as `{"size": "large"}`.
        answer: of what it answers; as `shape` by default.
        classes: how many classes its labels tell apart, where the options do not say; 0 to ignore labels.
        augment: how many numbers an augmentation tells it, where the options do not say; 0 for none.

    Raises:
        InputError: an unknown name or option, or options of which no network can be made.
    """
    if name not in NETWORKS:
        raise InputError(f"network {name!r} is not known; known: {', '.join(NETWORKS)}")
    try:
        return NETWORKS[name](
            shape, **{"classes": classes, "augment": augment, **(options or {})}, answer=answer
        )
    except TypeError as error:
        raise InputError(f"network {name}: {error}") from None
    except InputError:
        raise
    except (RuntimeError, ValueError, AssertionError, ArithmeticError, LookupError) as error:
        raise InputError(
            f"network_options={quoted(options)}: no {name} can be made of them ({reason(error)})"
        ) from None
