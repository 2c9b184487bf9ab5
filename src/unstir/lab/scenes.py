"""Scenes of the lab: a process on data with its exact field, fine and coarse, the last used of them kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from unstir.errors import InputError
from unstir.fields.field import Field
from unstir.lab.catalog import check_parameters
from unstir.lab.families import Family, family_of
from unstir.lab.points import DataSpec, Items
from unstir.picture.registry import parse

_MOST = 24
_VIEWED = 400  # particles by which the window's size is found
_SHARE, _ROOM = 0.8, 1.9


@dataclass(frozen=True, eq=False)
class LabScene:
    """What there is to show of a process on data.

    Attributes:
        bare: the process, before it has seen the data.
        data: the items.
        family: how processes of its kind are shown.
    """

    bare: Any
    data: Items
    family: Family

    @cached_property
    def coder(self) -> Any:  # noqa: ANN401  # Scaling, Levels or another coder
        """The map to model units."""
        return self.data.scaling or self.bare.coder(self.data.dataset)

    @cached_property
    def items(self) -> Tensor:
        """The data in model units, `(n, *shape)`."""
        items: Tensor = self.coder.to_model(self.data.dataset.values[: self.family.most])
        return items

    @cached_property
    def process(self) -> Any:  # noqa: ANN401  # of the class that its family is for
        """The process, with what it learns of the data."""
        return self.family.prepared(self.bare, self.items)

    @cached_property
    def exact(self) -> Field:
        """The exact field of the items."""
        return self.family.exact(self.process, self.items)

    @cached_property
    def coarse(self) -> Field:
        """One that answers sooner, of the first of them."""
        some = self.items[: self.family.few]
        if self.family.coarse is not None:
            return self.family.coarse(self.process, some)
        return self.exact if len(some) == len(self.items) else self.family.exact(self.process, some)

    @cached_property
    def local(self) -> Field:
        """The field of the images' patches.

        Raises:
            InputError: data that are no images, or a process that is not linear.
        """
        from unstir.fields import LocalField
        from unstir.physics import LinearProcess

        if not self.data.images or not isinstance(self.process, LinearProcess):
            raise InputError("field=local: takes images and a linear process, such as edm on digits")
        return LocalField(self.process, self.items)

    def half(self, time: float) -> float:
        """Half the side of a window that holds the middle of the particles at a time, model units."""
        first = self.items[torch.arange(_VIEWED) % len(self.items)]
        state = self.family.drawn(self, first, time, torch.Generator().manual_seed(0))
        size = float(torch.quantile(state.abs().flatten(), _SHARE)) * _ROOM
        return max(size, 0.25)


class Scenes:
    """The last used scenes, made once whoever asks."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._items: OrderedDict[str, Items] = OrderedDict()
        self._scenes: OrderedDict[tuple[str, str], LabScene] = OrderedDict()

    def get(self, data: DataSpec, process: str) -> LabScene:
        """The scene of a process on data.

        Raises:
            InputError: an unknown process, a parameter out of range, or data that it cannot take.
        """
        check_parameters(process)
        key = (data.key, process)
        with self._lock:
            if key in self._scenes:
                self._scenes.move_to_end(key)
                return self._scenes[key]
            items = self._items.get(data.key)
        bare: Any = parse(process)
        family = family_of(bare)
        if items is None:
            items = data.items()
        family.check(bare, items)
        scene = LabScene(bare, items, family)
        with self._lock:
            scene = self._scenes.setdefault(key, scene)
            self._items[data.key] = items
            for kept in (self._scenes, self._items):
                while len(kept) > self._most:
                    kept.popitem(last=False)
        return scene
