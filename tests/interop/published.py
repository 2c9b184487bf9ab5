"""Stand-ins for published networks: diffusers' U-Net of the same function, saved in the published layout.

`UNet2DModel` has the same blocks in the same order, so that it is an independent account of what the network
computes. Its weights are renamed, hung into modules that pickle as the published ones do (a record of class
name, source code and state), and read back by the code under test.
"""

from __future__ import annotations

import math
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import UNet2DModel
from diffusers.models.attention_processor import Attention
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn

Flat = dict[str, Tensor]
SOURCE = "raise SystemExit('the source code of a pickle was executed')"


def _rebuild(meta: dict[str, Any]) -> None:
    raise AssertionError("what a pickle names was called")


class EasyDict(dict[str, Any]):
    """As the published code has it."""


class Stand(nn.Module):
    """A module that is pickled as a persistent class is."""

    def __init__(self, kind: str, **settings: Any) -> None:  # noqa: ANN401
        super().__init__()
        self._kind, self._init_args, self._init_kwargs = kind, (), settings

    def __reduce__(self) -> tuple[Any, ...]:
        meta = {"type": "class", "version": 6, "module_src": SOURCE, "class_name": self._kind}
        return _rebuild, (meta | {"state": dict(self.__dict__)},), None


@contextmanager
def published_names() -> Iterator[None]:
    """The modules that pickles name, while they are written."""
    modules = {
        name: types.ModuleType(name)
        for name in ("torch_utils", "torch_utils.persistence", "dnnlib", "dnnlib.util")
    }
    _rebuild.__module__, _rebuild.__qualname__ = "torch_utils.persistence", "_reconstruct_persistent_obj"
    EasyDict.__module__ = "dnnlib.util"
    modules["torch_utils.persistence"]._reconstruct_persistent_obj = _rebuild  # type: ignore[attr-defined]
    modules["dnnlib.util"].EasyDict = EasyDict  # type: ignore[attr-defined]
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]


def hang(
    flat: Flat, kind: str, settings: dict[str, Any], outer: str, outer_settings: dict[str, Any]
) -> Stand:
    """The tree of modules that has the tensors of `flat`, within a preconditioning."""
    network = Stand(kind, **settings)
    for name, value in flat.items():
        *path, leaf = name.split(".")
        module: nn.Module = network
        for depth, part in enumerate(path):
            if part not in module._modules:
                container = depth == 0 and part in ("enc", "dec")
                module.add_module(
                    part, nn.ModuleDict() if container else Stand("UNetBlock" if depth == 1 else "Conv2d")
                )
            found = module._modules[part]
            assert found is not None
            module = found
        if leaf in ("resample_filter", "freqs"):
            module.register_buffer(leaf, value)
        else:
            module.register_parameter(leaf, nn.Parameter(value))
    for module in network.modules():  # as modules have them: bias None, no augmentation
        if isinstance(module, Stand) and module._kind == "Conv2d" and "bias" not in module._parameters:
            module.register_parameter("bias", None)
    top = Stand(outer, **outer_settings)
    top.add_module("model", network)
    return top


def unet(
    *, song: bool, channels: tuple[int, ...], layers: int, skip: bool = False, fourier: bool = False,
    classes: int = 0, head: int = 64, attends: int | None = None, image: int = 3,
) -> UNet2DModel:  # fmt: skip
    """diffusers' account of a network, with random weights.

    Args:
        song: DDPM++ or NCSN++, else ADM.
        channels: of each level, the finest first.
        layers: blocks of a level on the way down.
        skip: NCSN++'s image shown again and answers summed.
        fourier: NCSN++'s features of the noise level.
        classes: ADM's, as rows of an embedding.
        head: channels of an attention head.
        attends: the level that attends, beside the middle.
        image: its channels.
    """
    down = ["SkipDownBlock2D" if skip else "ResnetDownsampleBlock2D"] * len(channels)
    up = ["SkipUpBlock2D" if skip else "ResnetUpsampleBlock2D"] * len(channels)
    if attends is not None:
        down[attends], up[-1 - attends] = "AttnDownBlock2D", "AttnUpBlock2D"
    torch.manual_seed(0)
    made = UNet2DModel(
        sample_size=16, in_channels=image, out_channels=image,
        block_out_channels=channels, layers_per_block=layers,
        down_block_types=tuple(down), up_block_types=tuple(up), norm_num_groups=4, norm_eps=1e-6,
        attn_norm_num_groups=4, freq_shift=1 if song else 0,
        time_embedding_type="fourier" if fourier else "positional",
        flip_sin_to_cos=not song, attention_head_dim=head, downsample_type="resnet", upsample_type="resnet",
        resnet_time_scale_shift="default" if song else "scale_shift", num_class_embeds=classes or None,
    )  # fmt: skip
    for module in made.modules():
        if isinstance(module, nn.GroupNorm):
            module.num_groups, module.eps = min(32, module.num_channels // 4), 1e-6 if song else 1e-5
        if isinstance(module, ResnetBlock2D) and song:
            module.output_scale_factor = math.sqrt(2)
            if (module.up or module.down) and module.conv_shortcut is None:
                module.conv_shortcut = nn.Conv2d(module.in_channels, module.out_channels, 1)
        if isinstance(module, Attention) and song:
            module.rescale_output_factor = math.sqrt(2)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5 / 2)
    return made.eval().requires_grad_(False)


def renamed(  # noqa: PLR0915  # a table
    model: UNet2DModel, *, song: bool, taps: tuple[float, ...] = (1, 1)
) -> Flat:
    """Its tensors under the published names."""
    f = torch.tensor(taps)
    square = (f[:, None] * f / f.sum() ** 2)[None, None]
    flat: Flat = {}
    levels = [f"{16 >> level}x{16 >> level}" for level in range(len(model.config.block_out_channels))]

    def plain(name: str, module: Any) -> None:  # noqa: ANN401
        flat.update({f"{name}.{key}": value for key, value in module.named_parameters(recurse=False)})

    def block(name: str, resnet: Any, attention: Any = None) -> None:  # noqa: ANN401
        for theirs, ours in (
            ("norm0", resnet.norm1), ("conv0", resnet.conv1), ("affine", resnet.time_emb_proj),
            ("norm1", resnet.norm2), ("conv1", resnet.conv2), ("skip", resnet.conv_shortcut),
        ):  # fmt: skip
            if ours is not None:
                plain(f"{name}.{theirs}", ours)
        if resnet.up or resnet.down:
            flat[f"{name}.conv0.resample_filter"] = flat[f"{name}.skip.resample_filter"] = square
        if attention is not None:
            plain(f"{name}.norm2", attention.group_norm)
            parts = (attention.to_q, attention.to_k, attention.to_v)
            flat[f"{name}.qkv.weight"] = torch.stack([p.weight for p in parts], 1).flatten(0, 1)[
                :, :, None, None
            ]
            flat[f"{name}.qkv.bias"] = torch.stack([p.bias for p in parts], 1).flatten()
            flat[f"{name}.proj.weight"] = attention.to_out[0].weight[:, :, None, None]
            flat[f"{name}.proj.bias"] = attention.to_out[0].bias

    plain(f"enc.{levels[0]}_conv", model.conv_in)
    for level, down in enumerate(model.down_blocks):
        attentions = getattr(down, "attentions", [None] * len(down.resnets))
        for index, resnet in enumerate(down.resnets):
            attention = attentions[index] if index < len(attentions) else None
            block(f"enc.{levels[level]}_block{index}", resnet, attention)
        below = getattr(down, "resnet_down", None) or next(iter(down.downsamplers or ()), None)
        if below is not None:
            place = f"enc.{levels[level + 1]}"
            block(f"{place}_down", below)
            if hasattr(down, "skip_conv"):
                flat[f"{place}_aux_down.resample_filter"] = square
                plain(f"{place}_aux_skip", down.skip_conv)
    middle = model.mid_block
    block(f"dec.{levels[-1]}_in0", middle.resnets[0], middle.attentions[0])
    block(f"dec.{levels[-1]}_in1", middle.resnets[1])
    for level, up in zip(reversed(range(len(levels))), model.up_blocks, strict=True):
        attentions = getattr(up, "attentions", [])
        for index, resnet in enumerate(up.resnets):
            attention = attentions[index] if index < len(attentions) else None
            block(f"dec.{levels[level]}_block{index}", resnet, attention)
        if getattr(up, "skip_conv", None) is not None:
            plain(f"dec.{levels[level]}_aux_norm", up.skip_norm)
            plain(f"dec.{levels[level]}_aux_conv", up.skip_conv)
            flat[f"dec.{levels[level - 1]}_aux_up.resample_filter"] = square
        above = getattr(up, "resnet_up", None) or next(iter(getattr(up, "upsamplers", None) or ()), None)
        if above is not None:
            block(f"dec.{levels[level - 1]}_up", above)
    norm, conv = (
        (f"dec.{levels[0]}_aux_norm", f"dec.{levels[0]}_aux_conv") if song else ("out_norm", "out_conv")
    )
    plain(norm, model.conv_norm_out)
    plain(conv, model.conv_out)
    plain("map_layer0", model.time_embedding.linear_1)
    plain("map_layer1", model.time_embedding.linear_2)
    if hasattr(model.time_proj, "weight"):
        flat["map_noise.freqs"] = model.time_proj.weight
    if model.class_embedding is not None:
        flat["map_label.weight"] = model.class_embedding.weight.T.contiguous()
    return {name: value.detach().clone() for name, value in flat.items()}
