"""Where data are read from nothing is written that would be taken for data from then on.

A picture in a folder of images is one of them the next time: of another size, in no class, or, where sizes
are made equal, silently a sample. A run folder has pictures in it. So such places are refused, each before
any time is spent; what readers do not look at, such as a .csv among images, may lie there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from unstir.data.archives import TAR_SUFFIXES
from unstir.data.arrow import SUFFIXES as TABLE_SUFFIXES
from unstir.data.asked import asked
from unstir.data.builtin import BUILTIN
from unstir.data.decode import SUFFIXES as IMAGE_SUFFIXES
from unstir.data.found import hidden
from unstir.data.metadata import NAMES as METADATA
from unstir.data.wording import shown
from unstir.errors import InputError

_READ = (*IMAGE_SUFFIXES, *TAR_SUFFIXES, *TABLE_SUFFIXES, *METADATA)


def check_apart(target: Path, sources: Iterable[str]) -> None:
    """Refuse a target that lies among data, or in their very place.

    Args:
        target: a file, or a folder, which may be one of pictures or a run.
        sources: names of data: those that are paths count.

    Raises:
        InputError: it would be read as data, or overwrite them.
    """
    place = Path(os.path.realpath(target.expanduser()))
    for name in sources:
        given = asked(name).place
        if given in BUILTIN or not given.strip() or "\0" in given:
            continue
        data = Path(os.path.realpath(os.path.expanduser(given)))
        if place == data and data.is_file():
            raise InputError(
                f"out {shown(target)}: is what is read as data, and would be overwritten: give another name"
            )
        if not data.is_dir() or data not in place.parents or hidden(place.relative_to(data).parts):
            continue
        if not place.suffix or place.name.lower().endswith(_READ):
            aside = os.path.relpath(data.parent / place.name)
            raise InputError(
                f"out {shown(target)}: lies in {shown(given)}, and would be among the data from then on: "
                f"give a place outside, such as {shown(aside)}"
            )
