"""Training: loop, averaged weights, checkpoints. One recipe for every process."""

from unstir.train.budget import Budget
from unstir.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from unstir.train.config import TrainConfig, dump_config, make_config, read_config
from unstir.train.loop import Arrived, Trainer, TrainStep

__all__ = [
    "Arrived",
    "Budget",
    "Checkpoint",
    "TrainConfig",
    "TrainStep",
    "Trainer",
    "dump_config",
    "load_checkpoint",
    "make_config",
    "read_config",
    "save_checkpoint",
]
