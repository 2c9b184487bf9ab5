"""DDPM++, NCSN++ and ADM U-Nets, for weights that were published in their layout.

`SongUNet` is the U-Net of Song 2021 (appendix H): DDPM++ as it stands, NCSN++ with Fourier features, the
image itself shown again at each resolution (encoder `residual` or `skip`), and answers summed over
resolutions (decoder `skip`). `DhariwalUNet` is ADM (Dhariwal & Nichol 2021). Both are
`network(x, noise, label)` with the class as a row of numbers, zeros for none. Modules are named as the
published files name their tensors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from unstir.interop.edm_blocks import Block, Conv, Family, Fourier, Waves, group_norm

_EPS = {"song": 1e-6, "adm": 1e-5}


class Plan(BaseModel):
    """The arguments that a published network was made with; those of training alone are passed over."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    img_resolution: int = Field(ge=1, le=4096)
    in_channels: int = Field(ge=1, le=64)
    out_channels: int = Field(ge=1, le=128)
    label_dim: int = Field(0, ge=0, le=100_000)
    augment_dim: int = Field(0, ge=0, le=1000)
    model_channels: int = Field(ge=8, le=4096)
    channel_mult: tuple[int, ...] = Field(min_length=1, max_length=10)
    channel_mult_emb: int = Field(4, ge=1, le=64)
    num_blocks: int = Field(ge=1, le=64)
    attn_resolutions: tuple[int, ...] = Field(max_length=16)
    dropout: float = 0.0
    label_dropout: float = 0.0

    @model_validator(mode="after")
    def _whole(self) -> Plan:
        if any(not 1 <= factor <= 64 for factor in self.channel_mult) or self.model_channels % 8:
            raise ValueError("channel_mult has 1 to 64, and 8 divides model_channels")
        if self.img_resolution % 2 ** (len(self.channel_mult) - 1):
            raise ValueError("img_resolution is not halved so often")
        return self

    @property
    def levels(self) -> list[tuple[int, int]]:
        """Resolution and channels of each level, the finest first."""
        return [
            (self.img_resolution >> level, factor * self.model_channels)
            for level, factor in enumerate(self.channel_mult)
        ]


class SongPlan(Plan):
    """Of a `SongUNet`."""

    model_channels: int = Field(128, ge=8, le=4096)
    channel_mult: tuple[int, ...] = Field((1, 2, 2, 2), min_length=1, max_length=10)
    num_blocks: int = Field(4, ge=1, le=64)
    attn_resolutions: tuple[int, ...] = Field((16,), max_length=16)
    embedding_type: str = Field("positional", pattern="^(positional|fourier)$")
    channel_mult_noise: int = Field(1, ge=1, le=16)
    encoder_type: str = Field("standard", pattern="^(standard|skip|residual)$")
    decoder_type: str = Field("standard", pattern="^(standard|skip)$")
    resample_filter: tuple[float, ...] = Field((1, 1), min_length=1, max_length=16)


class DhariwalPlan(Plan):
    """Of a `DhariwalUNet`."""

    model_channels: int = Field(192, ge=8, le=4096)
    channel_mult: tuple[int, ...] = Field((1, 2, 3, 4), min_length=1, max_length=10)
    num_blocks: int = Field(3, ge=1, le=64)
    attn_resolutions: tuple[int, ...] = Field((32, 16, 8), max_length=16)


class _UNet(nn.Module):
    """What both have in common: the way down, the way up, and what is kept for it.

    Attributes:
        enc: modules of the way down, by name.
        dec: of the way up.
    """

    def __init__(self, plan: Plan, family: Family, inside_attends: bool) -> None:
        super().__init__()
        self.plan, self.family = plan, family
        self.classes = plan.label_dim
        self.enc, self.dec = nn.ModuleDict(), nn.ModuleDict()
        self.kept: list[int] = []
        width = self._down()
        self._up(width, inside_attends)

    def _down(self) -> int:
        width = self.plan.in_channels
        for level, (resolution, channels) in enumerate(self.plan.levels):
            place = f"{resolution}x{resolution}"
            if level:
                self.enc[f"{place}_down"] = Block(self.family, width, width, "down")
            else:
                first = self.first_width(channels)
                self.enc[f"{place}_conv"], width = Conv(width, first, 3), first
            self.kept.append(width)
            self.beside(place, width, first=not level)
            for index in range(self.plan.num_blocks):
                attends = resolution in self.plan.attn_resolutions
                block = Block(self.family, width, channels, attends=attends)
                self.enc[f"{place}_block{index}"], width = block, channels
                self.kept.append(width)
        return width

    def _up(self, width: int, inside_attends: bool) -> None:
        kept, levels = list(self.kept), self.plan.levels
        for level, (resolution, channels) in reversed(list(enumerate(levels))):
            place = f"{resolution}x{resolution}"
            if level == len(levels) - 1:
                self.dec[f"{place}_in0"] = Block(self.family, width, width, attends=True)
                self.dec[f"{place}_in1"] = Block(self.family, width, width)
            else:
                self.dec[f"{place}_up"] = Block(self.family, width, width, "up")
            for index in range(self.plan.num_blocks + 1):
                attends = resolution in self.plan.attn_resolutions and (
                    inside_attends or index == self.plan.num_blocks
                )
                block = Block(self.family, width + kept.pop(), channels, attends=attends)
                self.dec[f"{place}_block{index}"], width = block, channels
            self.above(place, width, last=not level)
        self.width = width

    def first_width(self, channels: int) -> int:
        """Channels of the first convolution, on a level of so many."""
        return channels

    def beside(self, place: str, width: int, *, first: bool) -> None:
        """Add what shows the image again on the way down, behind a level's first module."""

    def above(self, place: str, width: int, *, last: bool) -> None:
        """Add what answers from a level of the way up."""

    def places(self) -> Iterator[str]:
        """Names of the levels, the finest first."""
        for resolution, _ in self.plan.levels:
            yield f"{resolution}x{resolution}"

    def label(self, label: Tensor | None, x: Tensor) -> Tensor:
        """Rows of class numbers: zeros where none is told."""
        return x.new_zeros(len(x), self.classes) if label is None else label.to(x)

    def block(self, way: nn.ModuleDict, name: str, x: Tensor, e: Tensor) -> Tensor:
        """The answer of a module by its name."""
        out: Tensor = way[name](x, e) if isinstance(way[name], Block) else way[name](x)
        return out


class SongUNet(_UNet):
    """DDPM++ and NCSN++.

    Args:
        plan: its arguments.
    """

    plan: SongPlan

    def __init__(self, plan: SongPlan) -> None:
        features = plan.model_channels * plan.channel_mult_emb
        family = Family(features, math.sqrt(0.5), _EPS["song"], False, None, True, plan.resample_filter)
        super().__init__(plan, family, inside_attends=False)
        noise = plan.model_channels * plan.channel_mult_noise
        positional = plan.embedding_type == "positional"
        self.map_noise = Waves(noise, whole=True, sine_first=True) if positional else Fourier(noise)
        self.map_label = nn.Linear(plan.label_dim, noise) if plan.label_dim else None
        self.map_augment = nn.Linear(plan.augment_dim, noise, bias=False) if plan.augment_dim else None
        self.map_layer0 = nn.Linear(noise, features)
        self.map_layer1 = nn.Linear(features, features)

    def first_width(self, channels: int) -> int:
        return self.plan.model_channels

    def beside(self, place: str, width: int, *, first: bool) -> None:
        taps, shown = self.plan.resample_filter, self.plan.in_channels
        if first:
            self._shown = shown
        elif self.plan.encoder_type == "skip":
            self.enc[f"{place}_aux_down"] = Conv(shown, shown, 0, "down", taps)
            self.enc[f"{place}_aux_skip"] = Conv(shown, width, 1)
        elif self.plan.encoder_type == "residual":
            self.enc[f"{place}_aux_residual"] = Conv(self._shown, width, 3, "down", taps, late=True)
            self._shown = width

    def above(self, place: str, width: int, *, last: bool) -> None:
        answer, sums = self.plan.out_channels, self.plan.decoder_type == "skip"
        if not sums and not last:
            return
        if sums and place != list(self.places())[-1]:
            self.dec[f"{place}_aux_up"] = Conv(answer, answer, 0, "up", self.plan.resample_filter)
        self.dec[f"{place}_aux_norm"] = group_norm(width, self.family.eps)
        self.dec[f"{place}_aux_conv"] = Conv(width, answer, 3)

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None = None) -> Tensor:
        e = self.map_noise(noise)
        if self.map_label is not None:
            e = e + self.map_label(self.label(label, x) * math.sqrt(self.classes))
        e = functional.silu(self.map_layer1(functional.silu(self.map_layer0(e))))
        image, kept = x, list[Tensor]()
        for name in self.enc:
            match name.partition("_")[2]:
                case "aux_down":
                    image = self.enc[name](image)
                case "aux_skip":
                    x = kept[-1] = x + self.enc[name](image)
                case "aux_residual":
                    x = kept[-1] = image = (x + self.enc[name](image)) * math.sqrt(0.5)
                case _:
                    x = self.block(self.enc, name, x, e)
                    kept.append(x)
        answer: Tensor | None = None
        for place in reversed(list(self.places())):
            x = self._level(place, x, e, kept)
            if f"{place}_aux_conv" in self.dec:
                part = self.dec[f"{place}_aux_conv"](functional.silu(self.dec[f"{place}_aux_norm"](x)))
                if answer is not None:
                    part = part + self.dec[f"{place}_aux_up"](answer)
                answer = part
        if answer is None:
            raise RuntimeError("no level answers")
        return answer

    def _level(self, place: str, x: Tensor, e: Tensor, kept: list[Tensor]) -> Tensor:
        for name in self.dec:
            where, _, what = name.partition("_")
            if where == place and not what.startswith("aux"):
                joined = torch.cat([x, kept.pop()], 1) if what.startswith("block") else x
                x = self.dec[name](joined, e)
        return x


class DhariwalUNet(_UNet):
    """ADM.

    Args:
        plan: its arguments.
    """

    plan: DhariwalPlan

    def __init__(self, plan: DhariwalPlan) -> None:
        features, noise = plan.model_channels * plan.channel_mult_emb, plan.model_channels
        family = Family(features, 1.0, _EPS["adm"], True, 64, False)
        super().__init__(plan, family, inside_attends=True)
        self.map_noise = Waves(noise, whole=False, sine_first=False)
        self.map_augment = nn.Linear(plan.augment_dim, noise, bias=False) if plan.augment_dim else None
        self.map_layer0 = nn.Linear(noise, features)
        self.map_layer1 = nn.Linear(features, features)
        self.map_label = nn.Linear(plan.label_dim, features, bias=False) if plan.label_dim else None
        self.out_norm = group_norm(self.width, 1e-5)
        self.out_conv = Conv(self.width, plan.out_channels, 3)

    def forward(self, x: Tensor, noise: Tensor, label: Tensor | None = None) -> Tensor:
        e = self.map_layer1(functional.silu(self.map_layer0(self.map_noise(noise))))
        if self.map_label is not None:
            e = e + self.map_label(self.label(label, x))
        e, kept = functional.silu(e), list[Tensor]()
        for name in self.enc:
            x = self.block(self.enc, name, x, e)
            kept.append(x)
        for name in self.dec:
            joined = torch.cat([x, kept.pop()], 1) if "block" in name else x
            x = self.dec[name](joined, e)
        out: Tensor = self.out_conv(functional.silu(self.out_norm(x)))
        return out
