"""Data: arrays, image folders, tables, text, built-in sets, and the coders between them and the model."""

from unstir.data.augment import Augment, Augmentation, Flip, augmentation
from unstir.data.bins import Bins
from unstir.data.builtin import BUILTIN
from unstir.data.categories import recoded, with_categories, with_column, with_labels
from unstir.data.coder import Coder, coder_from_dict, usual_coder
from unstir.data.columns import Columns, measurable
from unstir.data.dataset import Dataset, Kind
from unstir.data.levels import Levels
from unstir.data.load import load
from unstir.data.picture import image_grid
from unstir.data.save import save_samples
from unstir.data.scaling import STD, Scaling
from unstir.data.target import check_target
from unstir.data.text import Letters, from_lines, to_lines

__all__ = [
    "BUILTIN",
    "STD",
    "Augment",
    "Augmentation",
    "Bins",
    "Coder",
    "Columns",
    "Dataset",
    "Flip",
    "Kind",
    "Letters",
    "Levels",
    "Scaling",
    "augmentation",
    "check_target",
    "coder_from_dict",
    "from_lines",
    "image_grid",
    "load",
    "measurable",
    "recoded",
    "save_samples",
    "to_lines",
    "usual_coder",
    "with_categories",
    "with_column",
    "with_labels",
]
