"""Jobs: many samples to a file or folder, part by part, by one process or several, whoever is killed."""

from unstir.jobs.drawing import Drawing, Options, Source, Watch
from unstir.jobs.job import Job, folder_of
from unstir.jobs.work import Outcome, work

__all__ = ["Drawing", "Job", "Options", "Outcome", "Source", "Watch", "folder_of", "work"]
