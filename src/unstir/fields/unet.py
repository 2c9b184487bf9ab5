"""diffusers' U-Net, for images (Ronneberger 2015; Ho 2020)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from unstir.errors import InputError
from unstir.fields.embedding import CLASS_STD, numbers, told_layer
from unstir.fields.norms import groups
from unstir.fields.residual import take_over
from unstir.fields.sizes import DEFAULT, Sizes, chosen

# `width` is that of the full resolution; those below have twice as many.
SIZES: Sizes = {
    "small": {"width": 16, "layers": 1},
    "base": {"width": 32, "layers": 1},
    "large": {"width": 64, "layers": 2},
}


class UNet(nn.Module):
    """diffusers' `UNet2DModel`, fed with the noise level, the class and images of any size.

    Args:
        shape: `(channels, height, width)`.
        channels: features at each resolution, each half the one before; by default (w, 2w), and one level
            of 2w more for images of over 16 pixels, where w is 16, 32 or 64 by the size.
        layers: residual blocks at each resolution; the size's by default.
        attention: whether the lowest resolution attends; on small images it costs more than it gives.
        answer: the shape of what it answers, of the same height and width; as `shape` by default.
        classes: how many classes labels tell apart; 0 to ignore them.
        size: `small`, `base` or `large`.
        augment: how many numbers tell an item's augmentation; 0 for none.

    Raises:
        InputError: items that are no images, or a size of another name.
    """

    def __init__(
        self,
        shape: Sequence[int],
        channels: Sequence[int] | None = None,
        layers: int | None = None,
        attention: bool = False,
        answer: Sequence[int] | None = None,
        classes: int = 0,
        size: str = DEFAULT,
        augment: int = 0,
    ) -> None:
        super().__init__()
        from diffusers import UNet2DModel

        if len(shape) != 3:
            raise InputError(f"network unet: items have shape {tuple(shape)}; it needs images, use mlp")
        options = chosen("unet", SIZES, size, layers=layers)
        width = options["width"]
        factors = (1, 2) if min(shape[1:]) <= 16 else (1, 2, 2)
        channels = tuple(channels or (width * factor for factor in factors))
        levels = len(channels)
        self.multiple = 2 ** (levels - 1)
        plain, attending = ["DownBlock2D", "UpBlock2D"], ["AttnDownBlock2D", "AttnUpBlock2D"]
        kinds = [attending if attention and i == levels - 1 else plain for i in range(levels)]
        self.classes = classes
        self.body = UNet2DModel(
            in_channels=shape[0],
            out_channels=(answer or shape)[0],
            block_out_channels=channels,
            layers_per_block=options["layers"],
            down_block_types=tuple(kind[0] for kind in kinds),
            up_block_types=tuple(kind[1] for kind in reversed(kinds)),
            norm_num_groups=groups(*channels),
            attention_head_dim=math.gcd(32, *channels),
            add_attention=attention,
            num_class_embeds=classes + 1 if classes else None,
        )
        if classes:
            nn.init.normal_(self.body.class_embedding.weight, std=CLASS_STD)
        if augment:
            self.body.class_embedding = _Known(self.body.class_embedding, augment, 4 * channels[0])
        self.augment = augment
        take_over(self.body)
        nn.init.zeros_(self.body.conv_out.weight)
        nn.init.zeros_(self.body.conv_out.bias)

    def forward(
        self, x: Tensor, noise: Tensor, label: Tensor | None = None, told: Tensor | None = None
    ) -> Tensor:
        height, width = x.shape[2:]
        padding = (0, -width % self.multiple, 0, -height % self.multiple)
        if any(padding):
            x = functional.pad(x, padding)
        number = numbers(label, noise, self.classes) if self.classes else None
        given: Tensor | tuple[Tensor | None, Tensor] | None = number
        if self.augment:
            given = (number, noise.new_zeros(len(noise), self.augment) if told is None else told)
        # Its sinusoids have periods from 6 up: 100 spreads levels of ±1.5 over them.
        out: Tensor = self.body(x, 100 * noise, given, return_dict=False)[0]
        return out[..., :height, :width]


class _Known(nn.Module):
    """What diffusers adds to the features of the noise level: those of the class, and of the condition."""

    def __init__(self, label: nn.Embedding | None, augment: int, width: int) -> None:
        super().__init__()
        self.label = label
        self.told = told_layer(augment, width)

    def forward(self, known: tuple[Tensor | None, Tensor]) -> Tensor:
        number, told = known
        out: Tensor = self.told(told)
        return out if self.label is None else out + self.label(number)
