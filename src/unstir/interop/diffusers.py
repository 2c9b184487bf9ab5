"""What diffusers must know to load an exported run: import this module first.

    import unstir.interop.diffusers
    from diffusers import DiffusionPipeline

    pipe = DiffusionPipeline.from_pretrained("FOLDER")

diffusers runs no code that a folder names: it takes the classes of a model index from modules that are
imported already, and the pipeline's from its own names, where this module puts `UnstirPipeline`.
"""

from __future__ import annotations

import diffusers

from unstir.interop.model import UnstirModel
from unstir.interop.pipeline import UnstirPipeline
from unstir.interop.schedulers import (
    NAMED,
    PREDICTIONS,
    BlurringScheduler,
    HeatScheduler,
    LevyScheduler,
    LinearScheduler,
    LinearSchedulerOutput,
    PoissonScheduler,
    YukawaScheduler,
    scheduler_class,
)

diffusers.UnstirPipeline = UnstirPipeline

__all__ = [
    "NAMED",
    "PREDICTIONS",
    "BlurringScheduler",
    "HeatScheduler",
    "LevyScheduler",
    "LinearScheduler",
    "LinearSchedulerOutput",
    "PoissonScheduler",
    "UnstirModel",
    "UnstirPipeline",
    "YukawaScheduler",
    "scheduler_class",
]
