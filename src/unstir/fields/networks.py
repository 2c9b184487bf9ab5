"""Networks by name: a residual MLP for vectors, diffusers' U-Net for images, torch's transformer for text.

Each has the signature `network(x, noise, label)`, with `noise` = ¼ ln(B/A) and `label` of shape (batch,), and
answers in the shape of x, or one that its field asks for. Any module of that signature may take their place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from unstir.errors import InputError
from unstir.fields.embedding import NoiseEmbedding
from unstir.fields.transformer import Transformer


class ResidualMLP(nn.Module):
    """Residual blocks of two layers, their normalised input scaled and shifted by the noise level.

    Args:
        shape: of one item; flattened inside.
        width: features within.
        depth: blocks.
        answer: the shape of what it answers; as `shape` by default.
    """

    def __init__(
        self, shape: Sequence[int], width: int = 256, depth: int = 4, answer: Sequence[int] | None = None
    ) -> None:
        super().__init__()
        size = math.prod(shape)
        self.answer = tuple(answer or shape)
        self.embedding = NoiseEmbedding(width)
        self.input = nn.Linear(size, width)
        self.modulation = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(depth))
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))
            for _ in range(depth)
        )
        self.output = nn.Linear(width, math.prod(self.answer))
        # Blocks start as the identity and the network as zero: the first step is the best constant.
        for block in self.blocks:
            nn.init.zeros_(block[2].weight)  # type: ignore[index]
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None = None) -> Tensor:
        level = functional.silu(self.embedding(noise))
        h = self.input(x.flatten(1))
        for modulation, block in zip(self.modulation, self.blocks, strict=True):
            scale, shift = modulation(level).chunk(2, 1)
            h = h + block(functional.layer_norm(h, h.shape[1:]) * (1 + scale) + shift)
        out: Tensor = self.output(functional.silu(functional.layer_norm(h, h.shape[1:])))
        return out.reshape(-1, *self.answer)


class UNet(nn.Module):
    """diffusers' `UNet2DModel`, fed with the noise level and images of any size.

    Args:
        shape: `(channels, height, width)`.
        channels: features at each resolution, each half the one before; by default (32, 64), and one level
            of 64 more for images of over 16 pixels.
        layers: residual blocks at each resolution.
        attention: whether the lowest resolution attends; on small images it costs more than it gives.
        answer: the shape of what it answers, of the same height and width; as `shape` by default.
    """

    def __init__(
        self,
        shape: Sequence[int],
        channels: Sequence[int] | None = None,
        layers: int = 1,
        attention: bool = False,
        answer: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        from diffusers import UNet2DModel

        if len(shape) != 3:
            raise InputError(f"network unet: items have shape {tuple(shape)}; it needs images, use mlp")
        channels = channels or ((32, 64) if min(shape[1:]) <= 16 else (32, 64, 64))
        levels = len(channels)
        self.multiple = 2 ** (levels - 1)
        plain, attending = ["DownBlock2D", "UpBlock2D"], ["AttnDownBlock2D", "AttnUpBlock2D"]
        kinds = [attending if attention and i == levels - 1 else plain for i in range(levels)]
        self.unet = UNet2DModel(
            in_channels=shape[0],
            out_channels=(answer or shape)[0],
            block_out_channels=tuple(channels),
            layers_per_block=layers,
            down_block_types=tuple(kind[0] for kind in kinds),
            up_block_types=tuple(kind[1] for kind in reversed(kinds)),
            norm_num_groups=math.gcd(8, *channels),
            attention_head_dim=math.gcd(32, *channels),
            add_attention=attention,
        )
        nn.init.zeros_(self.unet.conv_out.weight)
        nn.init.zeros_(self.unet.conv_out.bias)

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None = None) -> Tensor:
        height, width = x.shape[2:]
        padding = (0, -width % self.multiple, 0, -height % self.multiple)
        if any(padding):
            x = functional.pad(x, padding)
        # Its sinusoids have periods from 6 up: 100 spreads levels of ±1.5 over them.
        out: Tensor = self.unet(x, 100 * noise, return_dict=False)[0]
        return out[..., :height, :width]


_NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "mlp": ResidualMLP,
    "unet": UNet,
    "transformer": Transformer,
}


def build_network(
    name: str,
    shape: Sequence[int],
    options: Mapping[str, Any] | None = None,
    answer: Sequence[int] | None = None,
) -> nn.Module:
    """The network `name` for items of `shape`.

    Args:
        name: `mlp`, `unet` or `transformer`.
        shape: of what it is given.
        options: the constructor's own, such as `{"width": 512}`.
        answer: of what it answers; as `shape` by default.

    Raises:
        InputError: an unknown name or option.
    """
    if name not in _NETWORKS:
        raise InputError(f"network {name!r} is not known; known: {', '.join(_NETWORKS)}")
    try:
        return _NETWORKS[name](shape, **(options or {}), answer=answer)
    except TypeError as error:
        raise InputError(f"network {name}: {error}") from None
