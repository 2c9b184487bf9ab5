"""A run on the Hugging Face hub, through huggingface_hub's own mixin.

The mixin knows repositories, revisions and uploads; what lies in the folder is what `sharing.py` writes, and
the card is `card.py`'s. Only files of ours are read, and none is executed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import ModelCard, ModelHubMixin, snapshot_download

from unstir.interop.card import card, write_card
from unstir.interop.sharing import read_shared, write_shared

if TYPE_CHECKING:
    from unstir.run import Run

# All that a shared run may hold: no code, no pickles.
_FILES = ("*.json", "*.yaml", "*.safetensors", "README.md", "samples.png")


class HubRun(ModelHubMixin, library_name="unstir", tags=["unstir"]):  # type: ignore[call-arg,misc]
    """A run as the mixin takes it.

    Attributes:
        run: the run.
    """

    run: Run
    name: str = "FOLDER"

    def __init__(self) -> None:
        """Nothing: huggingface_hub would take arguments for a configuration, and pass on what a file says."""

    @classmethod
    def of(cls, run: Run, name: str = "FOLDER") -> HubRun:
        """Around a run, with the name that the card says to load it by."""
        made: HubRun = cls()
        made.run, made.name = run, name
        return made

    def _save_pretrained(self, save_directory: Path) -> None:
        write_shared(self.run, save_directory)
        write_card(self.run, save_directory, "hub", self.name)

    def generate_model_card(self, *args: Any, **options: Any) -> ModelCard:  # noqa: ANN401
        """The card of `card.py`."""
        return ModelCard(card(self.run, "hub", name=self.name))

    @classmethod
    def _from_pretrained(
        cls,
        *,
        model_id: str,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
    ) -> HubRun:
        folder = Path(model_id)
        if not folder.is_dir():
            folder = Path(
                snapshot_download(
                    model_id, revision=revision, cache_dir=cache_dir, force_download=force_download,
                    local_files_only=local_files_only, token=token, allow_patterns=list(_FILES),
                )
            )  # fmt: skip
        return cls.of(read_shared(folder), model_id)
