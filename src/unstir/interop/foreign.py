"""A pipeline folder of diffusers as a field: its network, asked by its own convention.

`model_index.json` may name what it likes: the network is a `UNet2DModel`, the scheduler one that diffusers
itself has, weights are read from safetensors alone, and no code of the folder is run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unstir.data import Dataset
from unstir.data.scaling import Scaling
from unstir.data.wording import quoted, reason
from unstir.errors import InputError
from unstir.fields.allowance import allowance
from unstir.fields.field import Slice
from unstir.interop.conventions import Convention, Network, convention
from unstir.physics import LinearProcess
from unstir.train.folder import DataInfo
from unstir.train.machine import choose_device
from unstir.untrained import Untrained

_LARGEST_INDEX = 1_000_000  # bytes
_OURS = "unstir.interop.model", "UnstirModel"
_UNET = "diffusers", "UNet2DModel"
_TO_BYTES = 127.5  # from [−1, 1], in which diffusers has images


class ForeignField:
    """E[y | x_t = x] by another library's network.

    Args:
        network: as its convention asks it.
        convention: how it is asked.
        shape: of one item.
        classes: how many labels tell apart; 0 for none.
        clip: the largest absolute value of a denoised state, or None where it is not held.
        needs_label: whether it has no answer without one.
    """

    def __init__(
        self,
        network: Network,
        convention: Convention,
        shape: tuple[int, ...],
        *,
        classes: int = 0,
        clip: float | None = None,
        needs_label: bool = False,
    ) -> None:
        self.network = network
        self.convention = convention
        self.shape = shape
        self.classes = classes
        self.clip = clip
        self.needs_label = needs_label

    def __call__(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """The denoised states, `(batch, *shape)`, for times `(batch,)`."""
        if label is None and self.needs_label:
            raise InputError(f"label: this network needs one of its {self.classes} classes; give label")
        d = self.convention.denoise(self.network, x, t, label if self.classes else None)
        return d if self.clip is None else d.clamp(-self.clip, self.clip)

    def at(self, t: float) -> Slice:
        """The field at one time."""
        return lambda x, label: self(x, torch.full((len(x),), t, dtype=torch.float64), label)


def as_source(
    field: ForeignField, network: nn.Module, process: LinearProcess, name: str, device: torch.device
) -> Untrained:
    """What is sampled like a run: images in [−1, 1] as bytes, classes by their numbers.

    Args:
        field: of the network.
        network: whose weights say whether a job that was stopped goes on with the same ones.
        process: of the field.
        name: of the file or folder.
        device: where the network is.
    """
    info = DataInfo(
        kind="image",
        shape=field.shape,
        label_names=tuple(map(str, range(field.classes))),
        label_counts=(1,) * field.classes,
        scaling=Scaling("image", (_TO_BYTES,), (_TO_BYTES,)).to_dict(),
        count=max(field.classes, 1),
        heldout=0,
        sha256=_digest(network),
    )
    return Untrained(process, field, info, _no_items(name, info), device)


def from_diffusers(
    source: str | Path | Any,  # noqa: ANN401  # a pipeline
    *,
    shape: tuple[int, ...] | None = None,
    device: str = "auto",
) -> Untrained:
    """A pipeline of diffusers as a process and a field, which every solver of unstir samples.

    Args:
        source: a folder that `save_pretrained` of a pipeline wrote, or such a pipeline itself (which is put
            in evaluation mode): `DDPMPipeline`, `DDIMPipeline`, any other of a `UNet2DModel` and a scheduler.
        shape: of one image, `(channels, height, width)`, where the network's config does not say.
        device: of a folder's network: `auto`, `cpu`, `cuda`, `mps`; a pipeline's stays where it is.

    Raises:
        InputError: no such folder, components of other kinds, weights that are no safetensors.
    """
    network, scheduler, name = _opened(source)
    if isinstance(source, str | Path):
        network = network.to(choose_device(device)).requires_grad_(requires_grad=False)
    network.eval()
    where = next(network.parameters()).device
    if type(network).__name__ == _OURS[1]:
        return Untrained(network.process, network.field, network.info, _no_items(name, network.info), where)
    asked = convention(type(scheduler).__name__, scheduler)
    classes = int(network.config.num_class_embeds or 0)

    def answer(x: Tensor, steps: Tensor, label: Tensor | None) -> Tensor:
        found: Tensor = network(x, steps.to(x), label, return_dict=False)[0]
        return found[:, : x.shape[1]]  # some answer with a variance too

    field = ForeignField(
        answer,
        asked,
        _shape(network, shape),
        classes=classes,
        clip=float(scheduler.config.clip_sample_range) if scheduler.config.get("clip_sample") else None,
        needs_label=classes > 0,
    )
    return as_source(field, network, asked.process, name, where)


def _opened(source: Any) -> tuple[Any, Any, str]:  # noqa: ANN401
    """Network, scheduler, and what to call them."""
    if not isinstance(source, str | Path):
        parts = [getattr(source, name, None) for name in ("unet", "scheduler")]
        if any(part is None for part in parts):
            raise InputError(f"source: a {type(source).__name__} has no unet and scheduler; give a pipeline")
        _check_kind(type(parts[0]).__module__.partition(".")[0], type(parts[0]).__name__, "source")
        return parts[0], parts[1], type(source).__name__
    folder = Path(source).expanduser()
    index = _index(folder)
    ours = _check_kind(*_component(index, "unet", folder), f"{folder}")
    if ours:
        from unstir.interop.model import UnstirModel

        return _loaded(UnstirModel, folder / "unet"), None, folder.name
    import diffusers
    from diffusers import SchedulerMixin, UNet2DModel

    library, name = _component(index, "scheduler", folder)
    kind: Any = getattr(diffusers, name, None) if library == "diffusers" else None
    known = isinstance(kind, type) and issubclass(kind, SchedulerMixin)
    if not known:
        raise InputError(f"{folder}: its scheduler {quoted(f'{library}.{name}')} is none of diffusers'")
    try:
        scheduler = kind.from_pretrained(folder / "scheduler")
    except (OSError, ValueError, TypeError, NotImplementedError) as error:
        raise InputError(f"{folder}: its scheduler cannot be read ({reason(error)})") from None
    return _loaded(UNet2DModel, folder / "unet"), scheduler, folder.name


def _index(folder: Path) -> Mapping[str, Any]:
    path = folder / "model_index.json"
    try:
        if path.stat().st_size > _LARGEST_INDEX:
            raise InputError(f"{path}: is too large")
        index = json.loads(path.read_text("utf-8"))
    except OSError:
        raise InputError(
            f"{folder}: is no pipeline folder of diffusers (it has no model_index.json)"
        ) from None
    except (ValueError, RecursionError):
        raise InputError(f"{path}: is not JSON") from None
    if not isinstance(index, dict):
        raise InputError(f"{path}: is not a mapping")
    return index


def _component(index: Mapping[str, Any], name: str, folder: Path) -> tuple[str, str]:
    found = index.get(name)
    if not (isinstance(found, list) and len(found) == 2 and all(isinstance(part, str) for part in found)):
        raise InputError(f"{folder}: its pipeline {quoted(index.get('_class_name'))} has no {name}")
    return found[0], found[1]


def _check_kind(library: str, name: str, what: str) -> bool:
    """Whether a network is our own; raise where it is neither that nor diffusers' `UNet2DModel`."""
    if (library, name) == _UNET:
        return False
    if library.partition(".")[0] != "unstir" or name != _OURS[1]:
        raise InputError(
            f"{what}: its unet is {quoted(f'{library}.{name}')}; give a pipeline of a diffusers.UNet2DModel"
        )
    return True


def _loaded(kind: Any, folder: Path) -> Any:  # noqa: ANN401
    """Weights from safetensors alone."""
    try:
        size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
        with allowance(size, folder):
            return kind.from_pretrained(folder, use_safetensors=True)
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise InputError(
            f"{folder}: cannot be read ({reason(error)}); weights must be safetensors, never pickles"
        ) from None


def _shape(network: Any, given: tuple[int, ...] | None) -> tuple[int, ...]:  # noqa: ANN401
    if given is not None:
        return tuple(given)
    side = network.config.sample_size
    if side is None:
        raise InputError("shape: the network's config does not say it; give shape=(channels, height, width)")
    return (int(network.config.in_channels), *((side, side) if isinstance(side, int) else map(int, side)))


def _no_items(name: str, info: DataInfo) -> Dataset:
    dtype = torch.uint8 if info.kind == "image" else torch.float32
    return Dataset(name, info.kind, torch.empty((0, *info.shape), dtype=dtype))


def _digest(network: nn.Module) -> str:
    """SHA-256 of the weights, by which a job knows whether it goes on with the same ones."""
    found = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
