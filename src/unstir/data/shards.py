"""WebDataset shards: .tar files in which files of one name up to its first dot make a sample.

    0001.jpg  0001.cls       an image and its class, a number or a name
    0001.png  0001.json      ... its class under `label`, `class` or `cls`
    0001.jpg  0001.txt       ... its class, unless texts are as good as all different: then captions

Samples keep the order they lie in. Other members, pickles among them, are not opened.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from unstir.data.decode import SUFFIXES
from unstir.data.found import hidden
from unstir.data.labels import Class, Labels, as_class, from_classes
from unstir.data.tar import Member

ENDINGS = (".cls", ".json", ".txt")

_KEYS = ("label", "class", "cls")


@dataclass(frozen=True)
class Samples:
    """Images with their classes.

    Attributes:
        images: one a sample, in order.
        classes: of each, None where it has none.
    """

    images: tuple[Member, ...]
    classes: tuple[Class | None, ...]

    def labels(self, kept: Sequence[int]) -> Labels | None:
        """Labels of the samples `kept`, all of which have a class."""
        return from_classes([found for i in kept if (found := self.classes[i]) is not None])


def class_note(name: str, content: bytes) -> Class | None:
    """The class that a small file beside an image gives, by the file's ending; None where it gives none."""
    try:
        text = content.decode("utf-8-sig")
        return as_class(_in_json(json.loads(text)) if name.lower().endswith(".json") else text)
    except (ValueError, RecursionError):
        return None


def _in_json(value: object) -> object:
    if isinstance(value, dict):
        return next((value[key] for key in _KEYS if key in value), None)
    return value


def find_samples(members: Sequence[Member]) -> Samples | None:
    """The labelled samples among the members of shards, or None where nothing says a class."""
    images: dict[tuple[object, ...], Member] = {}
    notes: dict[str, dict[tuple[object, ...], Class]] = {ending: {} for ending in ENDINGS}
    for member in members:
        if hidden(member.parts):
            continue
        stem, _, ending = member.parts[-1].partition(".")
        key, ending = (member.archive, *member.parts[:-1], stem), "." + ending.lower()
        if ending in SUFFIXES:
            # Two pictures of one sample: the first, as the ones that follow are masks and the like.
            images.setdefault(key, member)
        elif ending in notes and isinstance(member.note, int | str):
            notes[ending][key] = member.note
    for ending, said in notes.items():
        classes = [said.get(key) for key in images]
        if any(found is not None for found in classes) and not (ending == ".txt" and _captions(classes)):
            missing = f"no class beside it in {ending}"
            told = [
                member if found is not None or member.trouble else replace(member, trouble=missing)
                for member, found in zip(images.values(), classes, strict=True)
            ]
            return Samples(tuple(told), tuple(classes))
    return None


def _captions(classes: Sequence[Class | None]) -> bool:
    told = [found for found in classes if found is not None]
    return 2 * len(set(told)) > len(told)  # a class has two images on average
