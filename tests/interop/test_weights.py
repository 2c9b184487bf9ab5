"""Published weights: read without executing, and computing what diffusers' blocks of the same function do."""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.downsampling import FirDownsample2D
from tests.interop import published
from torch import Tensor
from torch.nn import functional
from typer.testing import CliRunner

from unstir.cli import app
from unstir.interop import read_weights
from unstir.interop.edm_blocks import Conv
from unstir.interop.edm_networks import DhariwalPlan, DhariwalUNet, SongPlan, SongUNet
from unstir.interop.storages import Storage, View
from unstir.physics import LinearProcess
from unstir.untrained import Untrained

Refused = Callable[..., str]

IMAGE = {"img_resolution": 16, "img_channels": 3, "label_dim": 0}


def settings(channels: tuple[int, ...], layers: int, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    width = channels[0]
    inner = {
        "img_resolution": 16,
        "in_channels": 3,
        "out_channels": 3,
        "label_dim": 0,
        "model_channels": width,
    }
    inner |= {"channel_mult": [c // width for c in channels], "num_blocks": layers, "attn_resolutions": []}
    return inner | {"dropout": 0.1} | more


def snapshot(net: Any) -> dict[str, Any]:  # noqa: ANN401
    """All that lies in a network snapshot."""
    return {
        "ema": net,
        "loss_fn": published.Stand("EDMLoss", P_mean=np.float64(-1.2)),
        "augment_pipe": None,
        "dataset_kwargs": published.EasyDict(path="cifar10.zip", use_labels=False, xflip=False),
    }


def write(net: Any, path: Path, *, how: str = "pickle", protocol: int = 4) -> Path:  # noqa: ANN401
    with published.published_names():
        if how == "pickle":
            path.write_bytes(pickle.dumps(snapshot(net), protocol=protocol))
        else:
            state = {
                "net": net,
                "ema": net,
                "step": 10,
                "optimizer_state": {"state": {0: {"step": torch.tensor(1.0)}}},
            }
            torch.save(state, path, _use_new_zipfile_serialization=how == "zip")
    return path


def states(n: int = 3) -> tuple[Tensor, Tensor]:
    x = torch.randn(n, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    return 3 * x, torch.tensor([0.05, 1.0, 30.0][:n])


def edm_denoised(model: Any, x: Tensor, sigma: Tensor, *known: Any) -> Tensor:  # noqa: ANN401
    """EDM's preconditioning around diffusers' network, written out."""
    s = sigma[:, None, None, None]
    answer = model((s**2 + 0.25).rsqrt() * x, 0.25 * sigma.log(), *known).sample
    return 0.25 / (s**2 + 0.25) * x + 0.5 * s * (s**2 + 0.25).rsqrt() * answer


def ddpmpp() -> tuple[Any, published.Stand]:
    model = published.unet(song=True, channels=(16, 32), layers=1, head=32)
    flat = published.renamed(model, song=True)
    return model, published.hang(flat, "SongUNet", settings((16, 32), 1), "EDMPrecond", dict(IMAGE))


def denoised(source: Untrained, x: Tensor, sigma: Tensor, label: Tensor | None = None) -> Tensor:
    assert isinstance(source.process, LinearProcess)
    return source.field(x, source.process.time_at(sigma.double()), label)


@pytest.mark.parametrize(
    ("how", "protocol"), [("pickle", 2), ("pickle", 4), ("pickle", 5), ("zip", 2), ("old", 2)]
)
def test_ddpmpp_in_every_form_of_file(how: str, protocol: int, tmp_path: Path) -> None:
    model, net = ddpmpp()
    path = write(net, tmp_path / "net", how=how, protocol=protocol)
    x, sigma = states()
    torch.testing.assert_close(
        denoised(read_weights(path, device="cpu"), x, sigma),
        edm_denoised(model, x, sigma),
        rtol=1e-4,
        atol=1e-4,
    )


def test_adm_with_classes_and_heads(tmp_path: Path) -> None:
    model = published.unet(song=False, channels=(64, 128), layers=2, classes=4, attends=1)
    inner = settings((64, 128), 2, attn_resolutions=[8], label_dim=4)
    flat = published.renamed(model, song=False)
    for name in [
        name for name in flat if name.endswith(("up.skip.resample_filter", "down.skip.resample_filter"))
    ]:
        assert name.replace("resample_filter", "weight") not in flat  # it keeps its channels: no convolution
    net = published.hang(flat, "DhariwalUNet", inner, "EDMPrecond", IMAGE | {"label_dim": 4})
    source = read_weights(write(net, tmp_path / "net.pkl"), device="cpu")
    x, sigma = states()
    label = torch.tensor([0, 3, 1])
    ours, theirs = denoised(source, x, sigma, label), edm_denoised(model, x, sigma, label)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert source.classes == ("0", "1", "2", "3")
    none = denoised(source, x, sigma)
    torch.testing.assert_close(none, denoised(source, x, sigma, torch.full((3,), 4)))
    assert float((none - ours).abs().max()) > 1e-3


def test_ncsnpp(tmp_path: Path) -> None:
    """The image shown again on the way down, answers summed on the way up, filters [1, 3, 3, 1], Fourier."""
    model = published.unet(song=True, channels=(16, 32, 32), layers=2, skip=True, fourier=True, head=32)
    more = {
        "encoder_type": "skip",
        "decoder_type": "skip",
        "embedding_type": "fourier",
        "channel_mult_noise": 2,
    }
    flat = published.renamed(model, song=True, taps=(1, 3, 3, 1))
    inner = settings((16, 32, 32), 2, resample_filter=[1, 3, 3, 1], **more)
    net = published.hang(flat, "SongUNet", inner, "VEPrecond", IMAGE | {"sigma_min": 0.02, "sigma_max": 100})
    source = read_weights(write(net, tmp_path / "net.pkl"), device="cpu")
    x, sigma = states()
    # diffusers takes the logarithm of its time step, and divides the answer by it.
    wanted = x + sigma[:, None, None, None] * model(x, sigma / 2).sample * (sigma / 2)[:, None, None, None]
    torch.testing.assert_close(denoised(source, x, sigma), wanted, rtol=1e-4, atol=1e-3)


def test_a_filter_behind_a_convolution_is_one_before_it() -> None:
    """NCSN++'s residual encoder: diffusers filters first and strides with the convolution."""
    torch.manual_seed(0)
    theirs = FirDownsample2D(4, 6, use_conv=True, fir_kernel=(1, 3, 3, 1))
    ours = Conv(4, 6, 3, "down", (1, 3, 3, 1), late=True)
    ours.load_state_dict({**theirs.Conv2d_0.state_dict(), "resample_filter": ours.resample_filter})
    x = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


def test_the_residual_encoder_adds_what_it_shows() -> None:
    """h = (down h + residual image)/√2, the image from there on: written out over verified blocks."""
    torch.manual_seed(0)
    net = SongUNet(SongPlan.model_validate(settings((16, 32, 32), 1, encoder_type="residual")))
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    x, level = torch.randn(2, 3, 16, 16), torch.tensor([0.3, -0.5])
    e = functional.silu(net.map_layer1(functional.silu(net.map_layer0(net.map_noise(level)))))
    enc, dec = net.enc, net.dec
    kept = [enc["16x16_conv"](x)]
    kept.append(enc["16x16_block0"](kept[-1], e))
    first = (enc["8x8_down"](kept[-1], e) + enc["8x8_aux_residual"](x)) / math.sqrt(2)
    kept += [first, enc["8x8_block0"](first, e)]
    second = (enc["4x4_down"](kept[-1], e) + enc["4x4_aux_residual"](first)) / math.sqrt(2)
    kept += [second, enc["4x4_block0"](second, e)]
    h = dec["4x4_in1"](dec["4x4_in0"](kept[-1], e), e)
    for place in ("4x4", "8x8", "16x16"):
        h = h if place == "4x4" else dec[f"{place}_up"](h, e)
        for index in range(2):
            h = dec[f"{place}_block{index}"](torch.cat([h, kept.pop()], 1), e)
    wanted = dec["16x16_aux_conv"](functional.silu(dec["16x16_aux_norm"](h)))
    torch.testing.assert_close(net(x, level), wanted)


def test_song_attends_where_it_should_and_is_told_classes() -> None:
    plan = settings((16, 32), 2, attn_resolutions=[8], label_dim=3)
    net = SongUNet(SongPlan.model_validate(plan))
    attending = {name.removesuffix(".qkv.weight") for name in net.state_dict() if name.endswith("qkv.weight")}
    assert attending == {"enc.8x8_block0", "enc.8x8_block1", "dec.8x8_in0", "dec.8x8_block2"}
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    bare = SongUNet(SongPlan.model_validate(plan | {"label_dim": 0}))
    weights = net.state_dict()
    bare.load_state_dict({name: value for name, value in weights.items() if "map_label" not in name})
    rows = functional.one_hot(torch.tensor([2, 0]), 3)
    added = rows.float() @ weights["map_label.weight"].T * math.sqrt(3) + weights["map_label.bias"]
    x, level = torch.randn(2, 3, 16, 16), torch.tensor([0.3, -0.5])
    waves = bare.map_noise
    bare.map_noise = torch.nn.Identity()
    torch.testing.assert_close(net(x, level, rows), bare(x, waves(level) + added))


def test_the_published_sizes() -> None:
    """56 million parameters for CIFAR-10 (Karras 2022), 296 for ADM at 64×64 (Dhariwal & Nichol 2021)."""
    song = {"img_resolution": 32, "attn_resolutions": [16], "channel_mult": [2, 2, 2], "augment_dim": 9}
    more = {"img_resolution": 64, "attn_resolutions": [32, 16, 8], "channel_mult": [1, 2, 3, 4]}
    cifar, adm = settings((128,), 4, **song), settings((192,), 3, label_dim=1000, **more)
    with torch.device("meta"):
        made = SongUNet(SongPlan.model_validate(cifar)), DhariwalUNet(DhariwalPlan.model_validate(adm))
    assert [round(sum(p.numel() for p in net.parameters()) / 1e6) for net in made] == [56, 296]


@pytest.mark.parametrize("kind", ["VPPrecond", "iDDPMPrecond"])
def test_other_preconditionings(kind: str, tmp_path: Path) -> None:
    model = published.unet(song=True, channels=(16, 32), layers=1, head=32)
    flat = published.renamed(model, song=True)
    source = read_weights(
        write(
            published.hang(flat, "SongUNet", settings((16, 32), 1), kind, dict(IMAGE)), tmp_path / "net.pkl"
        ),
        device="cpu",
    )
    x, sigma = states()
    s = sigma[:, None, None, None]
    if kind == "VPPrecond":
        # t where ½ 19.9 t² + 0.1 t = ln(1 + σ²), found by bisection.
        low, high = torch.zeros(3).double(), torch.full((3,), 2.0).double()
        for _ in range(80):
            middle = (low + high) / 2
            below = 9.95 * middle**2 + 0.1 * middle < torch.log1p(sigma.double() ** 2)
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        noise = (999 * low).float()
    else:
        levels = [0.0]
        alpha = [math.sin(0.5 * math.pi * j / 1000 / 1.008) ** 2 for j in range(1001)]
        for j in range(1000, 0, -1):
            levels.append(math.sqrt((levels[-1] ** 2 + 1) / max(alpha[j - 1] / alpha[j], 1e-3) - 1))
        noise = (torch.tensor(levels)[None] - sigma[:, None]).abs().argmin(
            1
        ).float() - 1  # from the clean end
    wanted = x - s * model((s**2 + 1).rsqrt() * x, noise).sample
    torch.testing.assert_close(denoised(source, x, sigma), wanted, rtol=1e-3, atol=1e-2)


def test_pfgmpp_says_its_own_dimension(tmp_path: Path, refused: Refused) -> None:
    model = published.unet(song=True, channels=(16, 32), layers=1, head=32)
    flat = published.renamed(model, song=True)
    outer = IMAGE | {"pfgmpp": True, "D": 2048, "use_fp16": True}
    net = published.hang(flat, "SongUNet", settings((16, 32), 1), "EDMPrecond", outer)
    path = write(net, tmp_path / "net.pkl")
    source = read_weights(path, device="cpu")
    assert source.process.name == "poisson:D=2048"
    x, sigma = states()
    torch.testing.assert_close(
        denoised(source, x, sigma), edm_denoised(model, x, sigma), rtol=1e-4, atol=1e-4
    )
    assert read_weights(path, process="poisson:D=128", device="cpu").process.name == "poisson:D=128"
    assert "give edm, poisson" in refused(read_weights, path, process="vp")
    images = source.sample(2, steps=3)
    assert images.dtype == torch.uint8
    assert tuple(images.shape) == (2, 3, 16, 16)


def test_the_command_line(tmp_path: Path) -> None:
    _, net = ddpmpp()
    path = write(net, tmp_path / "net.pkl")
    arguments = [
        "sample",
        "--weights",
        str(path),
        "-n",
        "2",
        "--steps",
        "3",
        "--out",
        str(tmp_path / "a.npz"),
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    ours = read_weights(path, device="cpu").sample(2, steps=3)
    assert np.array_equal(np.load(tmp_path / "a.npz")["samples"], ours.movedim(1, 3).numpy())


def test_tensors_must_be_those_of_the_network(tmp_path: Path, refused: Refused) -> None:
    model = published.unet(song=True, channels=(16, 32), layers=1, head=32)
    flat = published.renamed(model, song=True)

    def message(
        flat: published.Flat, inner: dict[str, Any] | None = None, kind: str = "SongUNet", **outer: float
    ) -> str:
        net = published.hang(flat, kind, inner or settings((16, 32), 1), "EDMPrecond", IMAGE | outer)
        return refused(read_weights, write(net, tmp_path / "net.pkl"))

    lacking = {name: value for name, value in flat.items() if name != "map_layer0.weight"}
    assert "'map_layer0.weight' has shape None" in message(lacking)
    assert "'other.weight' has shape (1,)" in message(flat | {"other.weight": torch.zeros(1)})
    wrong = flat | {"map_layer0.weight": torch.zeros(2, 2)}
    assert "'map_layer0.weight' has shape (2, 2)" in message(wrong)
    assert "has shape" in message(flat, settings((16, 32), 2))
    assert "pfgm=True" in message(flat, settings((16, 32), 1, pfgm=True))
    assert "'wings': Extra inputs" in message(flat, settings((16, 32), 1, wings=2))
    assert "num_blocks" in message(flat, settings((16, 32), 10**9))
    assert "model_channels" in message(flat, settings((16, 32), 1, model_channels=2**40))
    assert "its network is a AugmentPipe" in message(flat, None, "AugmentPipe")
    assert "class 'Rubbish'" in message(flat, None, "Rubbish")
    assert "sigma_data" in message(flat, sigma_data=-1.0)


def test_a_network_larger_than_its_file_is_refused(tmp_path: Path, refused: Refused) -> None:
    """One small storage, seen by many tensors, or by one with strides of 0."""
    model = published.unet(song=True, channels=(16, 32), layers=1, head=32)
    flat = published.renamed(model, song=True)
    shared = torch.zeros(max(value.numel() for value in flat.values()))
    many = {name: shared[: value.numel()].view(value.shape) for name, value in flat.items()}
    net = published.hang(many, "SongUNet", settings((16, 32), 1), "EDMPrecond", dict(IMAGE))
    assert "share storages" in refused(read_weights, write(net, tmp_path / "a.pt", how="zip"))
    flat["map_layer0.weight"] = torch.zeros(1).expand(flat["map_layer0.weight"].shape)
    net = published.hang(flat, "SongUNet", settings((16, 32), 1), "EDMPrecond", dict(IMAGE))
    assert "share storages" in refused(read_weights, write(net, tmp_path / "b.pkl"))
    storage = Storage(torch.float32, 6, lambda: bytes(24))
    assert tuple(View(storage, 0, (2, 3), (3, 1)).tensor().shape) == (2, 3)
    for offset, shape, strides in (
        (0, (10**9,), (0,)), (1, (2, 3), (3, 1)), (0, (2, 3), (30, 1)), (-1, (2,), (1,)), (0, (2,), (-1,)),
        (0, (2, 3), (1,)), (0, (2.0,), (1,)), (0, (1,) * 99, (1,) * 99), (10**30, (1,), (1,)),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="a tensor"):
            View(storage, offset, shape, strides).tensor()  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="24 bytes for 1000000000000 numbers"):
        View(Storage(torch.float32, 10**12, lambda: bytes(24)), 0, (10**12,), (1,)).tensor()


def test_modules_within_themselves(tmp_path: Path, refused: Refused) -> None:
    _, net = ddpmpp()
    network = net._modules["model"]
    assert network is not None
    loop = published.Stand("UNetBlock")
    chain = loop
    for _ in range(40):
        inner = published.Stand("UNetBlock")
        chain.add_module("again", inner)
        chain = inner
    network.add_module("loop", loop)
    assert "deeper than any" in refused(read_weights, write(net, tmp_path / "net.pkl"))


def test_truncated_files_say_so(tmp_path: Path, refused: Refused) -> None:
    _, net = ddpmpp()
    for how in ("pickle", "zip", "old"):
        whole = write(net, tmp_path / "net", how=how).read_bytes()
        for share in (0.0, 0.001, 0.1, 0.5, 0.9, 0.9999):
            (tmp_path / "cut").write_bytes(whole[: int(share * len(whole))])
            assert str(tmp_path / "cut") in refused(read_weights, tmp_path / "cut")
    assert "cannot be read" in refused(read_weights, tmp_path / "none.pkl")
    buffer = io.BytesIO()
    torch.save({"ema": 1}, buffer)
    (tmp_path / "other.pt").write_bytes(buffer.getvalue())
    assert "holds a dict, and no network" in refused(read_weights, tmp_path / "other.pt")
