"""Training: objective, loop, averaged weights, checkpoints. One recipe for every process."""

from unstir.train.budget import Budget
from unstir.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from unstir.train.config import TrainConfig, dump_config, make_config, read_config
from unstir.train.loop import Trainer, TrainStep
from unstir.train.objective import denoising_loss, draw_times

__all__ = [
    "Budget",
    "Checkpoint",
    "TrainConfig",
    "TrainStep",
    "Trainer",
    "denoising_loss",
    "draw_times",
    "dump_config",
    "load_checkpoint",
    "make_config",
    "read_config",
    "save_checkpoint",
]
