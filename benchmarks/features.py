"""A classifier of a labelled image set: the space in which the benchmarks measure quality.

    python benchmarks/features.py ../shared/data/fashion-mnist [--json]

Trains a small convolutional network on the training images (two minutes on two cores), states its accuracy on
the test images, and keeps it beside the runs. The Fréchet distance of its logits, in units of their deviation
over the real images, and the class it gives to a sample are what `benchmarks/quality.py` prints.
"""

import argparse
import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from unstir.data import Dataset, load
from unstir.measure import frechet_distance

KEPT = Path("runs/features")
_EPOCHS, _BATCH, _LR = 4, 256, 3e-3


@dataclass(frozen=True)
class Features:
    """A trained classifier.

    Attributes:
        network: images scaled to deviation 1 to logits.
        accuracy: on images that it never saw.
        mean, std: of the pixels.
        scale: of the logits over the training images.
    """

    network: nn.Module
    accuracy: float
    mean: float
    std: float
    scale: float

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """`(n, classes)` of uint8 images `(n, channels, height, width)`, of deviation 1 over real ones."""
        parts = [self.network(self._scaled(part)) for part in torch.split(images, 500)]
        return torch.cat(parts) / self.scale

    def distance(self, a: Tensor, b: Tensor) -> float:
        """The Fréchet distance of two sets of images in the logits."""
        return frechet_distance(self.logits(a), self.logits(b))

    def _scaled(self, images: Tensor) -> Tensor:
        return (images.float() - self.mean) / self.std


def read_pair(path: Path) -> tuple[Dataset, Dataset]:
    """The (training, test) sets of a folder of `../shared/data`, or any other set parted; shuffled."""
    train, test = _read_pair(path)
    return _shuffled(train), _shuffled(test)


def _shuffled(data: Dataset) -> Dataset:
    return data.select(torch.randperm(len(data), generator=torch.Generator().manual_seed(0)))


def _read_pair(path: Path) -> tuple[Dataset, Dataset]:
    pairs = (("train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz"), ("train.zip", "test.zip"))
    for train, test in pairs:
        if (path / train).exists():
            return load(path / train), load(path / test)
    return load(str(path)).split(0.2)


def features(path: Path) -> Features:
    """The classifier of the set at `path`: trained, or as kept from an earlier call."""
    train, test = read_pair(path)
    if train.labels is None:
        sys.exit(f"{path}: has no labels, so no classifier can be trained on it")
    key = hashlib.sha256(train.values.numpy().data).hexdigest()[:16]
    classes = int(train.labels.max()) + 1
    network = _network(train.values.shape[1], classes)
    mean, std = float(train.values.float().mean()), float(train.values.float().std())
    kept = KEPT / f"{key}.safetensors"
    if kept.exists():
        network.load_state_dict(load_file(kept))
    else:
        _train(network, (train.values.float() - mean) / std, train.labels)
        kept.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: value.contiguous() for name, value in network.state_dict().items()}, kept)
    network.eval()
    plain = Features(network, 0.0, mean, std, 1.0)
    accuracy = float((plain.logits(test.values).argmax(1) == test.labels).float().mean())
    scale = float(plain.logits(train.values[:10_000]).std(0).square().mean().sqrt())
    return Features(network, accuracy, mean, std, scale)


def _network(channels: int, classes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in ((channels, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(1), nn.LazyLinear(128), nn.ReLU(), nn.Linear(128, classes))


def _train(network: nn.Sequential, images: Tensor, labels: Tensor) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network(images[:2])
        steps = _EPOCHS * (len(images) // _BATCH)
        optimizer = torch.optim.AdamW(network.parameters(), lr=_LR, weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LR, steps)
        network.train()
        for step in range(steps):
            if step % (len(images) // _BATCH) == 0:
                order = torch.randperm(len(images))
            at = order[torch.arange(_BATCH) + (step * _BATCH) % (len(images) - _BATCH)]
            x = images[at]
            x = torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x, x.flip(3))
            with torch.autocast("cpu", torch.bfloat16):
                loss = functional.cross_entropy(network(x), labels[at], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def main() -> None:
    """Train where it must, and state the accuracy and the floor."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    space = features(arguments.data)
    train, test = read_pair(arguments.data)
    from unstir.measure import gaussian_fit

    fit = gaussian_fit(train.values).sample(5000, 0)
    fitted = (fit * 255).round().clamp(0, 255).to(torch.uint8)
    report = {
        "accuracy": space.accuracy,
        "gaussian": space.distance(fitted, test.values[:5000]),
        "real": space.distance(train.values[:5000], test.values[:5000]),
    }
    if arguments.json:
        print(json.dumps(report))
        return
    print(f"test accuracy {space.accuracy:.4f}")
    print(f"Fréchet distance at n = 5000: real {report['real']:.4f}, Gaussian fit {report['gaussian']:.4f}")


if __name__ == "__main__":
    main()
