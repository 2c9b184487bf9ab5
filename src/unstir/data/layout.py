"""How images lie in a place: which are for training, and the class of each.

    metadata.csv beside them       its column of classes, see `metadata.py`
    a folder for each class        else the folders right below the part for training, see `splits.py`

The same of folders, .zip and .tar.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from unstir.data import labels as class_labels
from unstir.data.found import Parts
from unstir.data.labels import Class, Labels
from unstir.data.metadata import read_classes
from unstir.data.splits import Part, training_part


@dataclass(frozen=True)
class Layout:
    """What names and files beside images say of them.

    Attributes:
        part: the part for training.
        classes: of images, by name; empty where no metadata tell any.
        passed: what is not read, each as 'place: reason'.
        what: the place, for messages.
    """

    part: Part
    classes: Mapping[Parts, Class]
    passed: tuple[str, ...]
    what: str

    def labels(self, images: Sequence[Parts]) -> Labels | None:
        """Labels of images of the part for training that have no trouble.

        Raises:
            InputError: class numbers in metadata that are none.
        """
        if self.classes:
            found = [self.classes[image] for image in images]
            return class_labels.from_classes(found, f"{self.what}: the classes in its metadata")
        return class_labels.from_folders([self.part.folders(image) for image in images])

    def trouble(self, image: Parts) -> str:
        """Why an image cannot be learned: others have a class and it has none; else empty."""
        return "no class in the metadata beside it" if self.classes and image not in self.classes else ""


def lay_out(
    images: Collection[Parts], others: Iterable[Parts], read: Callable[[Parts], bytes], what: str
) -> Layout:
    """The layout of the files of a place.

    Args:
        images: names in parts.
        others: those of other files.
        read: gives the content of one, or raises an `OSError` or a `ValueError`.
        what: the place, for messages.

    Raises:
        InputError: parts of which none is for training.
    """
    part = training_part(images, what)
    kept = [image for image in images if part.holds(image)]
    classes, passed = read_classes([file for file in others if part.concerns(file)], kept, read, what)
    return Layout(part, classes, (*part.passed, *passed), what)
