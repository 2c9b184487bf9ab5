"""Compare: several processes on the same data under one budget, and one report of all."""

from unstir.compare.comparison import Comparison, compare_processes
from unstir.compare.plan import Plan, make_plan

__all__ = ["Comparison", "Plan", "compare_processes", "make_plan"]
