"""Which class each sample is of: as asked for, or drawn in the classes' own shares.

The class of sample i depends on the seed and i alone, as the sample itself does, and is drawn from a stream
of its own: asked for by name, sample i of that class is the same one.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import torch
from torch import Tensor

from unstir.data.wording import listed, quoted
from unstir.errors import InputError
from unstir.flow.streams import Streams

Asked = int | str | Sequence[int | str] | Tensor
NONE, ALL = "none", "all"
# Parts the seeds of classes from those of samples: in their low 32 bits, all that torch takes of a seed.
_APART = 2**61 + 0x9E3779B9
_SHOWN = 20  # class names in a message


def drawn_classes(counts: Sequence[int], n: int, *, seed: int = 0, first: int = 0) -> Tensor:
    """Class numbers `(n,)` of samples `first …`, class c with probability counts[c]/Σ counts."""
    own = seed ^ _APART if 0 <= seed < 2**63 else seed  # which refuses it by its name
    uniform = Streams(own, first, n).draw(lambda g: torch.rand(1, generator=g, dtype=torch.float64))
    edges = torch.tensor(counts, dtype=torch.float64).cumsum(0)
    return torch.searchsorted(edges / edges[-1], uniform, right=True)


def asked_classes(
    asked: Asked, names: Sequence[str], counts: Sequence[int], n: int, *, first: int = 0
) -> Tensor | None:
    """Class numbers `(n,)`, or None where no class is meant to be told.

    Args:
        asked: a class by number or name; text may hold several with commas between, taken in turn by the
            sample's index, or `all` for each class in turn, or `none`; a sequence has one for each sample.
        names: of the classes, in order of number.
        counts: training items of each: one without any was never learned.
        n: samples.
        first: index of the first.

    Raises:
        InputError: no classes, one that there is not or that has no training items, or a sequence of another
            length.
    """
    if not names:
        raise InputError(
            f"label={_shown(asked)}: the run was trained without labels; leave it out, or train with them"
        )
    if isinstance(asked, str):
        if asked == NONE and NONE not in names:
            return None
        turns = _several(asked, names, counts)
        index = torch.arange(first, first + n) % len(turns)
        return torch.tensor(turns)[index]
    if isinstance(asked, int):
        return torch.full((n,), _number(asked, names, counts))
    each = asked.tolist() if isinstance(asked, Tensor) else list(asked)
    if not isinstance(each, list) or len(each) != n:
        size = len(each) if isinstance(each, list) else 1
        raise InputError(f"label: has {size} classes for {n} samples; give one for each, or one for all")
    return torch.tensor([_number(one, names, counts) for one in each], dtype=torch.int64)


def sample_classes(
    asked: Asked | None,
    names: Sequence[str],
    counts: Sequence[int],
    n: int,
    *,
    seed: int = 0,
    first: int = 0,
    drawn: bool = True,
) -> Tensor | None:
    """Class numbers `(n,)` as asked for, else drawn in the data's shares; None where no class is told.

    Args:
        asked: as in `asked_classes`, or None.
        names: of the classes, in order of number; empty without labels.
        counts: training items of each.
        n: samples.
        seed: of the samples.
        first: index of the first.
        drawn: whether a class is told that nobody asked for.

    Raises:
        InputError: as in `asked_classes`, or no samples at all.
    """
    if n < 1 or first < 0:
        raise InputError(f"n={n}, first={first}: give n of 1 or more, first of 0 or more")
    if asked is not None:
        return asked_classes(asked, names, counts, n, first=first)
    return drawn_classes(counts, n, seed=seed, first=first) if names and drawn else None


def _several(asked: str, names: Sequence[str], counts: Sequence[int]) -> list[int]:
    if asked == ALL and ALL not in names:
        return [number for number, count in enumerate(counts) if count]
    parts = [asked] if asked in names else [part.strip() for part in asked.split(",")]
    return [_number(part, names, counts) for part in parts]


def _number(asked: int | str, names: Sequence[str], counts: Sequence[int]) -> int:
    found: int | None = None
    if isinstance(asked, str):
        if asked in names:
            found = names.index(asked)
        # A number in text is the name of a class wherever any class is named by a number.
        elif asked.isascii() and asked.isdigit() and not any(name.isdigit() for name in names):
            found = int(asked) if int(asked) < len(names) else None
    elif isinstance(asked, int) and not isinstance(asked, bool) and 0 <= asked < len(names):
        found = asked
    if found is None:
        raise InputError(f"label={_shown(asked)}: is no class of this run; {_hint(asked, names)}")
    if not counts[found]:
        raise InputError(f"label={_shown(asked)}: no training item was of this class; give another")
    return found


def _hint(asked: object, names: Sequence[str]) -> str:
    folded = {name.casefold(): name for name in names}
    text = str(asked).casefold()
    near = (
        difflib.get_close_matches(text, folded, 3) or [name for name in folded if text and text in name][:3]
    )
    if near:
        return f"did you mean {' or '.join(folded[name] for name in near)}?"
    more = ", …" if len(names) > _SHOWN else ""
    return f"give 0 to {len(names) - 1}, or one of {listed(names[:_SHOWN])}{more}"


def _shown(asked: object) -> str:
    """A value as it may stand in a line, whatever its size."""
    if isinstance(asked, str):
        return quoted(asked)
    return quoted(repr(asked)).strip("'\"") if isinstance(asked, int | float) else f"a {type(asked).__name__}"
