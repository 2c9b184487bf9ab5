"""The field of a run as a diffusers model: preconditioning, sketch and network in one `ModelMixin`.

It answers D(x, t) = E[y | x_t = x] (prediction type `sample`) for states and times of the process itself.
Its config says how the field is built, in the closed registries that build runs; its weights are the averaged
ones, with what the process has kept of its data among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.unets.unet_2d import UNet2DOutput
from pydantic import ValidationError
from torch import Tensor, nn

from unstir import physics
from unstir.data import Coder, coder_from_dict
from unstir.errors import InputError
from unstir.fields import Field, GuidedField, LearnedField
from unstir.physics import LinearProcess
from unstir.train.config import make_config
from unstir.train.folder import DataInfo, make_field

_DTYPES = {"float32": torch.float32, "int64": torch.int64}
_LARGEST = 2**30  # numbers that a process may have kept


class UnstirModel(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """A run's field.

    Args:
        run: the part of a run's configuration that its field is made of.
        info: what the run knows of its data: shape, kind, classes, scaling.
        kept: of what a process has learned of its data: by name, dtype and shape.

    Raises:
        InputError: values of which no field can be made.
    """

    config: Any
    field: LearnedField[Any]

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self, run: dict[str, Any], info: dict[str, Any], kept: dict[str, tuple[str, list[int]]] | None = None
    ) -> None:
        super().__init__()
        try:
            self.info = DataInfo.model_validate(info)
        except ValidationError as error:
            raise InputError(f"info: is damaged ({error.errors()[0]['msg']}); export the run again") from None
        self.store = nn.Module()
        for name, (dtype, shape) in (kept or {}).items():
            if dtype not in _DTYPES or torch.Size(shape).numel() > _LARGEST:
                raise InputError(f"kept: {name} is {dtype} {shape}; export the run again")
            self.store.register_buffer(name, torch.zeros(shape, dtype=_DTYPES[dtype]))
        settings = make_config(dict(run))
        process = physics.parse(settings.process)
        if not isinstance(process, LinearProcess):
            raise InputError(f"process={process.name}: is not linear; export a run of a linear process")
        self.field = make_field(settings, self.info, process, None).requires_grad_(requires_grad=False)

    @classmethod
    def from_pretrained(cls, *args: Any, **options: Any) -> Any:  # noqa: ANN401  # as diffusers has it
        """Load as every model of diffusers, then give the process what it had kept."""
        loaded = super().from_pretrained(*args, **options)
        (loaded[0] if isinstance(loaded, tuple) else loaded).settle()
        return loaded

    def settle(self) -> None:
        """Give the process what it has kept of its data, once the weights are there."""
        kept = {name: value.detach().cpu() for name, value in self.store.named_buffers()}
        if kept:
            self.field.process = self.field.process.restored(kept)
        self.eval()

    @property
    def process(self) -> LinearProcess:
        """The process, with what it has kept."""
        process: LinearProcess = self.field.process
        return process

    @cached_property
    def scaling(self) -> Coder:
        """Between the data's units and the model's."""
        return coder_from_dict(self.info.scaling)

    def forward(
        self,
        sample: Tensor,
        timestep: float | Tensor,
        class_labels: Tensor | None = None,
        guidance_scale: float | None = None,
        return_dict: bool = True,
    ) -> UNet2DOutput | tuple[Tensor]:
        """The denoised states.

        Args:
            sample: states x_t in model units, `(batch, *shape)`.
            timestep: t on the process's clock: one for all, or `(batch,)`.
            class_labels: class numbers `(batch,)`, or None for all classes together.
            guidance_scale: w of classifier-free guidance; 1 or None for none.
            return_dict: whether to give diffusers' output object rather than a tuple.
        """
        field: Field = self.field
        if guidance_scale is not None and guidance_scale != 1 and class_labels is not None:
            field = GuidedField(self.field, guidance_scale)
        t = torch.as_tensor(timestep)
        if t.numel() == 1:
            answer = field.at(float(t))(sample, class_labels)
        else:
            answer = field(sample, t.to(sample), class_labels)
        return UNet2DOutput(sample=answer) if return_dict else (answer,)


def describe(kept: Mapping[str, Tensor]) -> dict[str, tuple[str, list[int]]]:
    """Dtype and shape of what a process has kept, as a model's config holds them."""
    return {
        name: (str(value.dtype).removeprefix("torch."), list(value.shape)) for name, value in kept.items()
    }
