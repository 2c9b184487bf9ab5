"""Measure: distances between sample sets, what they overlap, what was memorised, and one report of all."""

from unstir.measure.certificates import continuity_residual
from unstir.measure.classes import ClassFigures, ClassReport, measure_classes
from unstir.measure.columns import ColumnFigures, ColumnReport, compare_columns
from unstir.measure.distances import energy_distance, median_bandwidth, mmd, sliced_wasserstein, wasserstein
from unstir.measure.entropy import Entropy, exact_entropy, nearest_neighbour_entropy
from unstir.measure.features import FeatureSpace, feature_space
from unstir.measure.frechet import GaussianFit, frechet_distance, gaussian_fit
from unstir.measure.letters import TextEvaluation, TextFigures, evaluate_text
from unstir.measure.manifold import Overlap, overlap
from unstir.measure.memorisation import Memorisation, memorised, nearest, nearest_picture
from unstir.measure.report import Evaluation, Figures, evaluate

__all__ = [
    "ClassFigures",
    "ClassReport",
    "ColumnFigures",
    "ColumnReport",
    "Entropy",
    "Evaluation",
    "FeatureSpace",
    "Figures",
    "GaussianFit",
    "Memorisation",
    "Overlap",
    "TextEvaluation",
    "TextFigures",
    "compare_columns",
    "continuity_residual",
    "energy_distance",
    "evaluate",
    "evaluate_text",
    "exact_entropy",
    "feature_space",
    "frechet_distance",
    "gaussian_fit",
    "measure_classes",
    "median_bandwidth",
    "memorised",
    "mmd",
    "nearest",
    "nearest_neighbour_entropy",
    "nearest_picture",
    "overlap",
    "sliced_wasserstein",
    "wasserstein",
]
