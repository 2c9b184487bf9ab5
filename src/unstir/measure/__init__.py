"""Measure: distances between sample sets, what they overlap, what was memorised, and one report of all."""

from unstir.measure.distances import energy_distance, median_bandwidth, mmd, sliced_wasserstein, wasserstein

# The names of `certificates` go here and in the list below.

__all__ = [
    "energy_distance",
    "median_bandwidth",
    "mmd",
    "sliced_wasserstein",
    "wasserstein",
]
