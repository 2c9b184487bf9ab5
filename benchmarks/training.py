"""Images a second in training: unstir, diffusers' own example, a loop by hand, the machine's convolutions.

    python benchmarks/training.py [--data PATH] [--threads N] [--seconds 3] [--rounds 5] [--cpu-time] [--json]

Everything runs in one process by turns, each for `--seconds` a round, in an order that is reversed from round
to round. A ratio is that of two rates of the same round: the median over rounds, with the least and the most.
Without `--data` the images are made up, 1×32×32 in ten classes. Wants a quiet machine, and about four minutes
on two cores. Where others work too, `--threads 1 --cpu-time` counts processor seconds, not the clock's.

* unstir out of the box: `start` and its `Trainer`, everything chosen by themselves, with the default network
  and with diffusers' U-Net (that of `network=unet`, 1.52 million parameters).
* diffusers' example: `rival.py`, the same U-Net and batch.
* by hand: the same U-Net and the loss of EDM in the fewest passes we know: data in memory, autocast, torch's
  fused Adam, average by foreach, the memory layout that is faster here. Beside it unstir's loop with the same
  recipe: `process=edm`, Adam, no sketch, no labels, the same precision.
* the ceiling: the fastest of some 3×3 convolutions, forward and backward, in bfloat16 where it is fast. And a
  nearer one: the layers of the default network, each alone, one after another; what lies between is its own.

A network's operations are those of `torch.utils.flop_counter` for one pass, three times for a step; what a
step does besides the network counts as none.
"""

import argparse
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DModel
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from features import read_pair
from rival import CHANNELS, Example, scaled
from unstir.data import Dataset
from unstir.fields import build_network
from unstir.train.config import make_config
from unstir.train.machine import choose_device, has_fast_bfloat16, using_threads
from unstir.train.session import start

BATCH = 64
UNET = {"channels": list(CHANNELS), "layers": 2}
_ITEMS = 4096
_MINUTES = 59  # a budget that no round comes near, of less than those for which compiling is tried
_PASSES = 3  # forward, and backward to inputs and to weights

DEFAULT = "unstir, all by itself"
OURS = "unstir, U-Net"
EXAMPLE = "diffusers' example, U-Net, float32"
CEILING = "3×3 convolutions"
LAYERS = "the default network's layers, each alone"


@dataclass
class Contestant:
    """Something that works by steps.

    Attributes:
        step: one of them.
        items: images a step.
        flops: floating-point operations a step.
        parameters: of its network.
        threads: of the CPU that it works with.
        note: what was chosen for it.
        rates: images a second, by round.
    """

    step: Callable[[], object]
    items: int
    flops: float
    parameters: int
    threads: int
    note: str = ""
    rates: list[float] = field(default_factory=list)

    def measure(self, seconds: float, clock: Callable[[], float]) -> None:
        """One round: a step to settle, then two or more for at least `seconds` of a clock."""
        with using_threads(self.threads):
            self.step()
            _wait()
            begun, steps = clock(), 0
            while steps < 2 or clock() - begun < seconds:
                self.step()
                _wait()
                steps += 1
            self.rates.append(steps * self.items / (clock() - begun))

    def flops_rates(self) -> list[float]:
        """Floating-point operations a second, by round."""
        return [rate * self.flops / self.items for rate in self.rates]


def made_up() -> Dataset:
    """Smooth pictures in ten classes."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(10, (_ITEMS,), generator=generator)
    coarse = torch.randn(10, 1, 8, 8, generator=generator)[labels]
    coarse = coarse + 0.7 * torch.randn(_ITEMS, 1, 8, 8, generator=generator)
    pictures = functional.interpolate(coarse, (32, 32), mode="bicubic")
    values = (127.5 + 60 * pictures).round().clamp(0, 255).to(torch.uint8)
    return Dataset("made-up", "image", values, labels, tuple(f"class {i}" for i in range(10)))


def trained(data: Dataset, folder: Path, **options: object) -> Contestant:
    """unstir's own loop: what `unstir.train` would iterate over."""
    config = make_config({"data": data.name, "minutes": _MINUTES, **options})
    session = start(config, Path(tempfile.mkdtemp(dir=folder)) / "run", source=data)
    trainer, config = session.trainer, session.config
    steps = iter(trainer)
    channels, *sides = session.info.model_shape
    given = (channels if getattr(trainer.field, "sketch", None) is None else 2 * channels, *sides)
    return Contestant(
        lambda: next(steps),
        config.batch,
        _PASSES * config.batch * _flops(trainer.field.network, given),
        _count(trainer.field.network),
        config.threads or torch.get_num_threads(),
        f"{config.network}, {config.precision}",
    )


def example(images: Tensor) -> Contestant:
    """diffusers' loop."""
    # Of the same sizes, but with diffusers' own blocks (`fields/residual.py`).
    network = UNet2DModel.from_config(_unet(images).body.config)
    flops = _PASSES * BATCH * _flops(_unet(images), images.shape[1:])
    loop = Example(images, network, BATCH)
    return Contestant(loop.step, BATCH, flops, _count(network), torch.get_num_threads(), "unet, float32")


def by_hand(images: Tensor, device: torch.device, *, bfloat16: bool) -> Contestant:
    """The best loop we can write for this one network and loss (Karras 2022), in the faster layout."""
    found = []
    for layout in (torch.contiguous_format, torch.channels_last):
        step = _hand_step(images, device, layout, bfloat16=bfloat16)
        step()
        found.append((_fastest(step, 2), str(layout).removeprefix("torch."), step))
    _, layout_name, step = min(found, key=lambda row: row[0])
    flops = _PASSES * BATCH * _flops(_unet(images), images.shape[1:])
    note = f"unet, {'bfloat16' if bfloat16 else 'float32'}, {layout_name}"
    return Contestant(step, BATCH, flops, _count(_unet(images)), torch.get_num_threads(), note)


def _hand_step(
    images: Tensor, device: torch.device, layout: torch.memory_format, *, bfloat16: bool
) -> Callable[[], object]:
    data = ((images - images.mean()) * (0.5 / images.std())).to(device)
    network = _unet(images).to(device, memory_format=layout)
    parameters = list(network.parameters())
    averages = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.Adam(parameters, lr=2e-3, betas=(0.9, 0.99), fused=True)

    def step() -> None:
        y = data[torch.randint(len(data), (BATCH,), device=device)]
        level = torch.randn(BATCH, device=device) * 1.2 - 1.2
        sigma = level.exp()[:, None, None, None]
        noise = torch.randn_like(y)
        x, spread = torch.addcmul(y, sigma, noise), sigma.square() + 0.25
        # (y − c_skip x) / c_out
        target = (y - x * (0.25 / spread)) * (spread.sqrt() / (0.5 * sigma))
        given = (x * spread.rsqrt()).contiguous(memory_format=layout)
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            guess = network(given, 0.25 * level)
        loss = functional.mse_loss(guess.float(), target)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0, foreach=True)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            torch._foreach_lerp_(averages, parameters, 0.01)

    return step


def ceiling(device: torch.device, dtype: torch.dtype) -> Contestant:
    """The fastest of some large convolutions in both layouts, forward and backward."""
    found = []
    for (features, side), layout in itertools.product(
        ((128, 32), (256, 16), (512, 8)), (torch.contiguous_format, torch.channels_last)
    ):
        network = nn.Conv2d(features, features, 3, padding=1, bias=False)
        network = network.to(device, dtype).to(memory_format=layout)  # type: ignore[call-overload]
        x = torch.randn(BATCH, features, side, side, device=device, dtype=dtype)
        x = x.contiguous(memory_format=layout).requires_grad_()
        up = torch.randn_like(x)

        def step(network: nn.Conv2d = network, x: Tensor = x, up: Tensor = up) -> None:
            network.weight.grad = x.grad = None
            network(x).backward(up)

        flops = _PASSES * BATCH * 2 * 9 * features**2 * side**2
        step()
        note = f"{features}×{side}×{side}, {dtype}, {layout}".replace("torch.", "")
        found.append((flops / _fastest(step, 3), flops, step, note))
    _, flops, step, note = max(found, key=lambda row: row[0])
    return Contestant(step, BATCH, flops, 0, torch.get_num_threads(), note)


def layers_alone(data: Dataset, folder: Path, device: torch.device, dtype: torch.dtype) -> Contestant:
    """The convolutions and products of the default network, forward and backward, and nothing else."""
    session = start(make_config({"data": data.name, "steps": 1}), folder / "layers", source=data)
    network, (channels, *sides) = session.trainer.field.network, session.info.model_shape
    met: list[tuple[nn.Module, torch.Size]] = []
    hooks = [
        layer.register_forward_hook(lambda layer, given, _made: met.append((layer, given[0].shape)))
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    given = torch.zeros(BATCH, 2 * channels, *sides, device=device)
    with torch.no_grad():
        network(given, torch.zeros(BATCH, device=device), None)
    for hook in hooks:
        hook.remove()
    layers = [layer.to(dtype) for layer, _ in met]
    last = session.config.channels_last

    def drawn(shape: torch.Size) -> Tensor:
        made = torch.randn(shape, device=device, dtype=dtype)
        return made.contiguous(memory_format=torch.channels_last) if last and made.ndim == 4 else made

    # One tensor for each shape: what a layer is given has just been made, and lies near the processor.
    like = {shape: drawn(shape) for _, shape in met}
    work = [(layer, like[shape].requires_grad_()) for layer, (_, shape) in zip(layers, met, strict=True)]
    ups = {made: drawn(made) for made in {layer(x).shape for layer, x in work}}

    def step() -> None:
        for layer, x in work:
            made = layer(x)
            made.backward(ups[made.shape])
            x.grad = None
        network.zero_grad()

    flops = _PASSES * BATCH * _flops(network.float(), (2 * channels, *sides))
    network.to(dtype)
    return Contestant(
        step, BATCH, flops, _count(network), torch.get_num_threads(), f"{dtype}".replace("torch.", "")
    )


def _fastest(step: Callable[[], object], times: int) -> float:
    best = float("inf")
    for _ in range(times):
        begun = time.perf_counter()
        step()
        _wait()
        best = min(best, time.perf_counter() - begun)
    return best


def _unet(images: Tensor) -> Any:  # noqa: ANN401
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_network("unet", tuple(images.shape[1:]), UNET)


def _count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def _flops(network: nn.Module, shape: tuple[int, ...]) -> int:
    """Operations of one image's pass."""
    device = next(network.parameters()).device
    # Attention by plain products, since the counter knows no fused one of the CPU's.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, *shape, device=device), torch.zeros(1, device=device), None)
    return int(counter.get_total_flops())


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def contestants(data: Dataset, folder: Path) -> dict[str, Contestant]:
    """All that is measured, by name."""
    device = choose_device("auto")
    fast = has_fast_bfloat16(device)
    dtype = torch.bfloat16 if fast else torch.float32
    images = scaled(data.values)
    ours = {"network": "unet", "network_options": UNET, "batch": BATCH}
    bare = {"process": "edm", "optimizer": "adam", "sketch": 0, "labels": False}
    bare["threads"] = torch.get_num_threads()
    made = {
        CEILING: ceiling(device, dtype),
        LAYERS: layers_alone(data, folder, device, dtype),
        DEFAULT: trained(data, folder),
        OURS: trained(data, folder, **ours),
        EXAMPLE: example(images),
    }
    for precision in ("bfloat16", "float32") if fast else ("float32",):
        made[_bare(precision)] = trained(data, folder, **ours, **bare, precision=precision)
        made[_hand(precision)] = by_hand(images, device, bfloat16=precision == "bfloat16")
    return made


def _bare(precision: str) -> str:
    return f"unstir's loop, by hand's recipe, {precision}"


def _hand(precision: str) -> str:
    return f"by hand, {precision}"


def compared(made: dict[str, Contestant]) -> list[dict[str, Any]]:
    """The ratios that there are bars for, and those that explain them."""
    rates = {name: contestant.rates for name, contestant in made.items()}
    work = {name: contestant.flops_rates() for name, contestant in made.items()}
    best = [p for p in ("bfloat16", "float32") if _hand(p) in made]
    rows: list[tuple[str, list[float], list[float], float | None]]
    rows = [(f"unstir / diffusers' example: U-Net, batch {BATCH}", rates[OURS], rates[EXAMPLE], 1.5)]
    rows += [(f"unstir's loop / by hand, {p}", rates[_bare(p)], rates[_hand(p)], 0.98) for p in best]
    rows += [
        ("unstir out of the box / by hand", rates[OURS], rates[_hand(best[0])], None),
        ("default network / U-Net: both unstir", rates[DEFAULT], rates[OURS], 1.3),
        ("unstir by itself / diffusers' example", rates[DEFAULT], rates[EXAMPLE], None),
        ("share of the ceiling: default network", work[DEFAULT], work[CEILING], 0.7),
        ("share of its layers alone: default network", work[DEFAULT], work[LAYERS], None),
        ("share of the ceiling: U-Net by hand", work[_hand(best[0])], work[CEILING], None),
        ("share of the ceiling: diffusers' example", work[EXAMPLE], work[CEILING], None),
    ]
    table = []
    for name, above, below, bar in rows:
        ratios = [a / b for a, b in zip(above, below, strict=True)]
        table.append({"comparison": name, **_spread("ratio", ratios), "bar": bar})
    return table


def _spread(name: str, values: list[float]) -> dict[str, float]:
    return {name: statistics.median(values), "least": min(values), "most": max(values)}


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="images, in place of those made up: a name or a path")
    parser.add_argument("--threads", type=int, help="of the CPU; all by default")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cpu-time", action="store_true", help="count processor seconds")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    clock = time.process_time if arguments.cpu_time else time.perf_counter
    data = read_pair(arguments.data)[0] if arguments.data else made_up()
    with tempfile.TemporaryDirectory() as folder:
        made = contestants(data, Path(folder))
        for turn in range(arguments.rounds):
            for contestant in list(made.values())[:: -1 if turn % 2 else 1]:
                contestant.measure(arguments.seconds, clock)
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "note": contestant.note,
            "parameters": contestant.parameters,
            "threads": contestant.threads,
            "gflops_per_image": contestant.flops / contestant.items / 1e9,
            "gflops_per_second": statistics.median(contestant.flops_rates()) / 1e9,
            **_spread("images_per_second", contestant.rates),
        }
        for name, contestant in made.items()
    ]
    ratios = compared(made)
    if arguments.json:
        print(json.dumps({"data": data.name, "shape": data.shape, "rows": rows, "ratios": ratios}, indent=1))
        return
    print(f"{'':44} images/s               parameters  threads  GFLOP/s")
    for row in rows:
        rate, least, most = (row[key] for key in ("images_per_second", "least", "most"))
        print(
            f"{row['name']:44} {rate:6.1f} ({least:.1f}–{most:.1f})".ljust(68)
            + f"{row['parameters']:10}  {row['threads']:7}  {row['gflops_per_second']:7.1f}   {row['note']}"
        )
    print(f"\n{'':44} ratio                  bar")
    for row in ratios:
        text = f"{row['comparison']:44} {row['ratio']:6.3f} ({row['least']:.3f}–{row['most']:.3f})"
        bar: float | None = row["bar"]
        print(text if bar is None else f"{text:68}{bar:.2f} {'MISSED' if row['ratio'] < bar else 'met'}")


if __name__ == "__main__":
    main()
