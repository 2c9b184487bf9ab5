"""A picture: what can be drawn of a scene, under a name of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from matplotlib.figure import Figure

from unstir.picture.scene import Scene


class Picture(ABC):
    """One kind of picture. `name` is the end of its file's name."""

    name: ClassVar[str]

    def fits(self, scene: Scene) -> bool:
        """Whether this scene has it: what its data and its parameters decide, its class being right."""
        return True

    @abstractmethod
    def draw(self, scene: Scene) -> Figure:
        """The finished figure.

        Raises:
            InputError: data that cannot be drawn.
        """
