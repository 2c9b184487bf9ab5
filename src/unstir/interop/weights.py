"""Weights that were published for EDM and PFGM++: pickles of modules, read as tensors, in networks of ours.

Such a file is a pickle of module objects with the source code of their classes, which their own reader runs.
Here nothing is run: classes are known by name, their code is passed over, and of each module's state only
parameters, buffers, sub-modules and constructor's arguments are taken (`pickles.py`, `storages.py`). The
network is built from the arguments (`edm_networks.py`), and every tensor must have its name and shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional

from unstir import physics
from unstir.data.wording import quoted, reason
from unstir.errors import InputError
from unstir.interop.edm_networks import DhariwalPlan, DhariwalUNet, SongPlan, SongUNet
from unstir.interop.foreign import ForeignField, as_source
from unstir.interop.pickles import Names, Record
from unstir.interop.preconditions import KINDS, Preconditioned
from unstir.interop.storages import CALLS, NAMES, View, read_pickle
from unstir.physics import DATA_STD, Linear, LinearProcess
from unstir.train.machine import choose_device
from unstir.untrained import Untrained

_NETWORKS: dict[str, Callable[[Mapping[str, Any]], nn.Module]] = {
    "SongUNet": lambda settings: SongUNet(SongPlan.model_validate(settings)),
    "DhariwalUNet": lambda settings: DhariwalUNet(DhariwalPlan.model_validate(settings)),
}
# Classes whose objects such files hold: networks, their parts, and what lies beside them.
_CLASSES = {
    *KINDS, *_NETWORKS, "UNetBlock", "Conv2d", "Linear", "GroupNorm", "PositionalEmbedding",
    "FourierEmbedding", "EDMLoss", "VPLoss", "VELoss", "AugmentPipe",
}  # fmt: skip
_CONTAINERS = ("ModuleDict", "ModuleList", "Sequential")
_DEEPEST = 16  # modules within each other
# Arguments of variants that are not read, where they are set.
_VARIANTS = {"pfgm": "answers with a height too, as PFGM (Xu 2022) does", "small": "is a small variant"}


def _object(meta: Any) -> Record:  # noqa: ANN401
    """What a module was saved as: its class by name, its state; the source code beside it is passed over."""
    kind, name, state = meta["type"], meta["class_name"], meta["state"]
    if kind != "class" or not isinstance(name, str) or not isinstance(state, dict):
        raise TypeError("an object is described otherwise")
    if name not in _CLASSES:
        raise InputError(
            f"class {quoted(name)}: is none that EDM's or PFGM++'s networks are made of; nothing was executed"
        )
    return Record(name, state)


_EASY = {("dnnlib.util", "EasyDict"): dict, ("dnnlib", "EasyDict"): dict}
_NAMES = Names(
    CALLS | {("torch_utils.persistence", "_reconstruct_persistent_obj"): _object},
    dict.fromkeys((("torch.nn.modules.container", name) for name in _CONTAINERS), None) | _EASY,
    NAMES.values,
)


def read_weights(
    path: str | Path, *, process: LinearProcess | str | None = None, device: str = "auto"
) -> Untrained:
    """A network snapshot of EDM or PFGM++ as a process and a field, which every solver samples.

    Args:
        path: a `.pkl`, or a `.pt` of a training's state; its averaged network (`ema`) is taken.
        process: what it was trained for, where the file does not say: `edm`, or `poisson:D=2048`. By default
            `poisson` with the file's own D where it is a PFGM++, else `edm`, over the network's noise range.
        device: `auto`, `cpu`, `cuda`, `mps`.

    Raises:
        InputError: no such file, one that names anything beyond such networks, or tensors that do not fit.
    """
    file = Path(path).expanduser()
    outer = _network_of(read_pickle(file, _NAMES), file)
    settings = _settings(outer, file)
    inner = _member(outer, "model", file)
    if inner.kind not in _NETWORKS:
        raise InputError(f"{file}: its network is a {inner.kind}; known: {', '.join(_NETWORKS)}")
    with torch.device("meta"):
        network = _built(inner.kind, _settings(inner, file), file)
    network.load_state_dict(_fitting(network, _tensors(inner, file, ()), file), assign=True)
    where = choose_device(device)
    network = network.to(where).eval().requires_grad_(requires_grad=False)
    told = KINDS[outer.kind](settings)
    chosen = _process(process, settings, told.low, told.high, told.std)
    classes = int(settings.get("label_dim", 0))

    def answer(x: Tensor, noise: Tensor, label: Tensor | None) -> Tensor:
        rows = None if label is None else functional.one_hot(label, classes + 1)[:, :-1]  # the last is none
        out: Tensor = network(x, noise, rows)
        return out

    side = int(settings["img_resolution"])
    shape = (int(settings["img_channels"]), side, side)
    field = ForeignField(answer, Preconditioned(chosen, told.coefficients), shape, classes=classes)
    return as_source(field, network, chosen, file.name, where)


def _process(
    given: LinearProcess | str | None, settings: Mapping[str, Any], low: float, high: float, std: float
) -> LinearProcess:
    """x = y + σ ε over a range of σ, for data of deviation `std`."""
    if given is None:
        # For data of deviation ½ the range is what it is; time steps are laid out relative to the deviation.
        ends = low * DATA_STD / std, high * DATA_STD / std
        if settings.get("pfgmpp"):
            return physics.poisson(float(settings.get("D", 128)), *ends).fitted(std)
        return physics.edm(*ends).fitted(std)
    process = physics.parse(given) if isinstance(given, str) else given
    if not isinstance(process, LinearProcess) or not isinstance(process.schedule, Linear) or process.damping:
        raise InputError(
            f"process={process.name}: such networks know data with noise of a level added; give edm, "
            "poisson, yukawa or levy"
        )
    return process


def _network_of(value: Any, file: Path) -> Record:  # noqa: ANN401
    found = value
    if isinstance(value, dict):
        found = next((value[key] for key in ("ema", "net") if isinstance(value.get(key), Record)), None)
    if not isinstance(found, Record) or found.kind not in KINDS:
        kind = found.kind if isinstance(found, Record) else type(value).__name__
        raise InputError(f"{file}: holds a {kind}, and no network of {', '.join(KINDS)}")
    return found


def _settings(record: Record, file: Path) -> dict[str, Any]:
    """The arguments that a module was made with."""
    settings, bare = record.state.get("_init_kwargs"), record.state.get("_init_args")
    if not isinstance(settings, dict) or bare not in ((), None):
        raise InputError(f"{file}: does not say what its {record.kind} was made with")
    for name, why in _VARIANTS.items():
        if settings.get(name):
            raise InputError(f"{file}: its {record.kind} {why} ({name}={settings[name]!r:.40}); not read")
    return {name: value for name, value in settings.items() if name not in _VARIANTS}


def _member(record: Record, name: str, file: Path) -> Record:
    modules = record.state.get("_modules")
    found = modules.get(name) if isinstance(modules, dict) else None
    if not isinstance(found, Record):
        raise InputError(f"{file}: its {record.kind} has no module {name}")
    return found


def _built(kind: str, settings: Mapping[str, Any], file: Path) -> nn.Module:
    try:
        return _NETWORKS[kind](settings)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or kind
        raise InputError(f"{file}: no {kind} can be made of it ({quoted(place)}: {first['msg']})") from None
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{file}: no {kind} can be made of it ({reason(error)})") from None


def _tensors(record: Record, file: Path, path: tuple[Record, ...]) -> dict[str, Tensor | View]:
    """Parameters and buffers of a module and those within it, by dotted names."""
    if len(path) > _DEEPEST or any(record is above for above in path):
        raise InputError(f"{file}: its modules lie within each other deeper than any network's")
    found: dict[str, Tensor | View] = {}
    for group in ("_parameters", "_buffers", "_modules"):
        members = record.state.get(group, {})
        if not isinstance(members, dict):
            raise InputError(f"{file}: the {group} of its {record.kind} are no mapping")
        for name, value in members.items():
            if isinstance(value, Record) and group == "_modules":
                inner = _tensors(value, file, (*path, record))
                found |= {f"{name}.{rest}": tensor for rest, tensor in inner.items()}
            elif isinstance(value, Tensor | View):
                found[str(name)] = value
            elif value is not None:
                raise InputError(f"{file}: {quoted(name)} of its {record.kind} is no tensor")
    return found


def _fitting(network: nn.Module, found: Mapping[str, Tensor | View], file: Path) -> dict[str, Tensor]:
    """The tensors, whose names and shapes must be the network's; sizes are compared before any is made."""
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    for name in sorted(wanted.keys() | found.keys()):
        shape = tuple(found[name].shape) if name in found else None
        if shape != wanted.get(name):
            raise InputError(
                f"{file}: {quoted(name)} has shape {shape}; in the network that it describes it has "
                f"{wanted.get(name)}"
            )
    storages = {id(value.storage): value.storage.count for value in found.values() if isinstance(value, View)}
    views = sum(torch.Size(value.shape).numel() for value in found.values() if isinstance(value, View))
    if views > sum(storages.values()):
        raise InputError(f"{file}: its tensors share storages that are smaller than they")
    try:
        made = {name: value.tensor() if isinstance(value, View) else value for name, value in found.items()}
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{file}: is damaged ({reason(error)})") from None
    return {name: value.float() for name, value in made.items()}
