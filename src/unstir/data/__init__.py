"""Data: arrays, image folders, tables, built-in sets, and the affine scaling between them and the model."""

from unstir.data.builtin import BUILTIN
from unstir.data.dataset import Dataset, Kind
from unstir.data.load import load
from unstir.data.picture import image_grid
from unstir.data.save import check_target, save_samples
from unstir.data.scaling import STD, Scaling

__all__ = [
    "BUILTIN",
    "STD",
    "Dataset",
    "Kind",
    "Scaling",
    "check_target",
    "image_grid",
    "load",
    "save_samples",
]
