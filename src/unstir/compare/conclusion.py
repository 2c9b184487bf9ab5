"""The conclusion in plain words, from the verdicts and figures alone.

It calls a difference one only where its interval, which holds for all pairs at once, leaves out zero;
anything else is said to be within noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unstir.compare.verdict import Verdict

_BUSY = 2.0  # processes cost about the same a step: more than this comes from elsewhere


def headline(verdict: Verdict, gaussian: str | None = None) -> str:
    """Who leads, in one or two sentences; and whether the lead is worth anything beside `gaussian`."""
    first, *ties = verdict.leaders
    what = verdict.question.what
    value = number(verdict.values[first])
    if not ties and not verdict.behind:
        said = f"{first} stands alone: its {what} is {value}."
    elif not ties:
        rest = "the other process" if len(verdict.behind) == 1 else "every other process"
        said = f"{first} is best, ahead of {rest} by more than noise ({what}: {value})."
    else:
        said = (
            f"{listed(verdict.leaders)} cannot be told apart: their differences in {what} are within noise."
        )
        if verdict.behind:
            verb = "is" if len(verdict.behind) == 1 else "are"
            said += f" {listed(verdict.behind)} {verb} behind {first} by more than noise."
        else:
            said += " No process wins."
    fit = None if gaussian is None else verdict.difference(first, gaussian)
    if fit is not None and fit.high >= 0:
        said += f" But a {gaussian} does {'as well' if fit.is_zero else 'better'}."
    return said


def margins(verdict: Verdict) -> list[str]:
    """How far each other process is from the first, in numbers."""
    first, found = verdict.leaders[0], []
    for name in (*verdict.leaders[1:], *verdict.behind):
        interval = verdict.difference(name, first)
        if interval is not None:
            noise = ": within noise" if interval.is_zero else ""
            found.append(
                f"{verdict.question.name.capitalize()}, {name} minus {first}: {signed(interval.value)}, "
                f"interval {signed(interval.low)} to {signed(interval.high)}{noise}"
            )
    return found


def against(verdict: Verdict, gaussian: str, real: str) -> list[str]:
    """How processes stand to the Gaussian fit and to real data."""
    processes = (*verdict.leaders, *verdict.behind)
    better: list[str] = []
    worse: list[str] = []
    level: list[str] = []
    reached: list[str] = []
    for name in processes:
        interval = verdict.difference(name, gaussian)
        if interval is not None:
            (level if interval.is_zero else better if interval.value < 0 else worse).append(name)
        floor = verdict.difference(name, real)
        if floor is not None and floor.low <= 0:
            reached.append(name)
    found = []
    if better:
        beats = "beats" if len(better) == 1 else "beat"
        found.append(f"{listed(better)} {beats} a {gaussian} of the training data.")
    if level:
        found.append(f"{listed(level)} cannot be told from a {gaussian}: the training has not paid yet.")
    if worse:
        verb = "is" if len(worse) == 1 else "are"
        found.append(
            f"{listed(worse)} {verb} worse than a {gaussian}: more training is needed, or another process."
        )
    if reached:
        verb = "is" if len(reached) == 1 else "are"
        found.append(
            f"{listed(reached)} {verb} within noise of {real}: with this many items no test here sees more."
        )
    else:
        found.append(f"No process has reached the level of {real} yet.")
    return found


def copying(rows: dict[str, Any], processes: Sequence[str]) -> str:
    """What the memorisation figures say."""
    copied = []
    for name in processes:
        share = rows[name].get("memorisation_share")
        ratio = rows[name].get("memorisation_ratio")
        if share is not None and ratio is not None and share["low"] > 0.5 and ratio["high"] < 0.8:
            copied.append(name)
    if copied:
        return (
            f"{listed(copied)}: samples lie clearly nearer to the training set than held-out data do; "
            "look for copies in the pairs below."
        )
    return "No process shows copying: none lies clearly nearer to the training set than held-out data do."


def starts(names: Sequence[str]) -> list[str]:
    """What to mind of processes whose prior is made of training items."""
    if not names:
        return []
    verb = "starts" if len(names) == 1 else "start"
    return [
        f"{listed(names)} {verb} from degraded training items, not from noise: mind the memorisation below."
    ]


def speed(cost: dict[str, Any], *, by_time: bool) -> str | None:
    """Which trained on more items a second, where that differs much; `by_time` where the budget was one."""
    rates = {name: float(one["items_per_second"]) for name, one in cost.items()}
    if len(rates) < 2:
        return None
    fast, slow = max(rates, key=rates.__getitem__), min(rates, key=rates.__getitem__)
    if rates[fast] < 1.2 * rates[slow]:
        return "All trained at about the same speed."
    ratio = rates[fast] / rates[slow]
    said = f"{fast} trained {ratio:.1f} times as many items a second as {slow}."
    if by_time and ratio > _BUSY and cost[fast]["device"] == cost[slow]["device"]:
        said += " Was the machine busy? Then minutes were no equal budget: repeat with --steps."
    return said


def caveats(seed: int, n: int, pairs: int) -> str:
    """What the intervals do not hold."""
    return (
        f"Intervals hold the chance of drawing other samples and other held-out items ({n:,} of each); "
        f"{pairs} differences are judged at once. They do not hold the chance of another training: every "
        f"process was trained once, with seed {seed}. Repeat with other seeds (--seed) before you call a "
        "small lead a fact."
    )


def number(value: float) -> str:
    """Three figures that count."""
    return f"{value:.3g}"


def signed(value: float) -> str:
    """Two figures that count, with their sign and a true minus."""
    return ("+" if value > 0 else "−" if value < 0 else "") + f"{abs(value):.2g}"


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
