"""What the page says beside its figures. HTML as it stands: nothing here comes from outside."""

from __future__ import annotations

SAMPLES = "The first of each, not chosen."
INTERVALS = """
Bars are 95 % intervals. The row “real data” is what a perfect model would score; the scale is a square root.
"""
MARKS = """
The best process of a column is bold; ≈ marks those within noise of it (all pairs of the column judged at
once). ↓ less is better, ↑ more is better.
"""
TAILS = """
Errors are mean |ln ratio| to the held-out rows: 0 as far out, 0.69 twice or half as far. Quantiles are
averaged over columns, random directions and the size of the row.
"""
COLUMNS = "The ground is the held-out data, from their 0.5 % to their 99.5 % quantile."
COPYING = """
A model that copies has its curve left of the held-out data’s. The ratio of median distances is 1 for samples
as new as held-out data and 0 for copies; the share nearer than the median held-out item is 0.5 and 1.
"""
PAIRS = """
The eight samples nearest to the training set (above) and their nearest training images (below):
"""
LOSS = "Each process learns a target of its own: compare the shapes of the curves, not their heights."
COST = """
Peak memory is that of a process of the system that trained and drew and did nothing else, libraries included.
Evaluations are those of the field for one sample.
"""
METHOD = """
Intervals come from a bootstrap: samples and held-out items are drawn anew with replacement, the same draws
for every process, so that differences are paired. An interval is the figure plus the 2.5 % and 97.5 %
quantiles of the centred draws. Pairs inside a set never join an item with itself; the balls of precision,
recall, density and coverage are held fixed. Near the level of real data intervals of the energy distance and
of MMD² are up to 1.7 times too wide. Differences are judged by simultaneous intervals (max-t over all pairs);
where two questions are asked each takes half of the 5 %. The Gaussian is fitted to the training data with
full covariance; real data are training items.
"""
LIGHT = """
The held-out rows have a tail index of {index:.1f}: rare rows are not much larger than common ones, and little
depends on the tails here.
"""
HEAVY = """
The held-out rows are heavy-tailed: their tail index is {index:.1f}, so that rows twice as large are about
{rarer:.0f} times as rare. Averages over all rows hardly see such rows; these figures do.
"""


def note(words: str) -> str:
    """A paragraph of them."""
    return f'<p class="note">{" ".join(words.split())}</p>'


def tail_note(index: float, heavy: float) -> str:
    """What the tail index of the held-out rows says; below `heavy` they are heavy-tailed."""
    return note((HEAVY if index < heavy else LIGHT).format(index=index, rarer=2**index))
