"""Data: arrays, image folders, tables, built-in sets, and the affine scaling between them and the model."""

from unstir.data.dataset import Dataset
from unstir.data.load import load
from unstir.data.scaling import Scaling

__all__ = ["Dataset", "Scaling", "load"]
