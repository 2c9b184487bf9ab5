"""A run as a diffusers pipeline: prior, scheduler, field, and back to the data's units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline, ImagePipelineOutput
from torch import Tensor

from unstir.classes import asked_classes, drawn_classes
from unstir.errors import InputError
from unstir.interop.model import UnstirModel
from unstir.interop.schedulers import LinearScheduler

OUTPUTS = ("pil", "np", "pt", "latent")


class UnstirPipeline(DiffusionPipeline):  # type: ignore[misc]
    """Samples of an exported run.

    Args:
        unet: the run's field.
        scheduler: of the run's process, on its clock.
    """

    model_cpu_offload_seq = "unet"
    unet: UnstirModel
    scheduler: LinearScheduler

    def __init__(self, unet: UnstirModel, scheduler: LinearScheduler) -> None:
        super().__init__()
        if isinstance(scheduler, LinearScheduler):
            scheduler.prepare(unet.process)
        self.register_modules(unet=unet, scheduler=scheduler)

    @torch.no_grad()
    def __call__(
        self,
        batch_size: int = 1,
        class_labels: int | str | Sequence[int | str] | None = None,
        guidance_scale: float | None = None,
        num_inference_steps: int = 20,
        generator: torch.Generator | None = None,
        latents: Tensor | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
    ) -> Any:  # noqa: ANN401  # as diffusers has it
        """Draw samples.

        Args:
            batch_size: how many.
            class_labels: by name or number, one for all or one each, `all` in turn, `none` for all classes
                together; drawn in the classes' own shares by default.
            guidance_scale: w of classifier-free guidance.
            num_inference_steps: steps, one evaluation each.
            generator: of the prior and of classes, on the CPU.
            latents: `(batch_size, *shape)`, states at t_max to begin with, in place of the prior.
            output_type: `pil` for images; `np` and `pt` for images in [0, 1], channels last and first, and
                for other data in their own units; `latent` for model units.
            return_dict: whether to give an `ImagePipelineOutput` rather than a tuple.

        Raises:
            InputError: an output type that does not fit the data, or classes that there are not.
        """
        info, process = self.unet.info, self.unet.process
        if output_type not in OUTPUTS or (output_type == "pil" and info.kind != "image"):
            told = ", ".join(OUTPUTS if info.kind == "image" else OUTPUTS[1:])
            raise InputError(f"output_type={output_type!r}: for data of kind {info.kind} give one of {told}")
        if batch_size < 1:
            raise InputError(f"batch_size={batch_size}: give 1 or more")
        source = generator or torch.default_generator
        if latents is None:
            latents = self.scheduler.prior(batch_size, info.model_shape, source)
        elif latents.shape != (shape := (batch_size, *info.model_shape)):
            raise InputError(f"latents: have shape {tuple(latents.shape)}; give {shape}")
        labels = self._labels(class_labels, batch_size, source)
        device = self._execution_device
        x = latents.to(device, self.unet.dtype)
        labels = None if labels is None else labels.to(device)
        self.scheduler.set_timesteps(num_inference_steps)
        for t in self.progress_bar(self.scheduler.timesteps):
            time = self.scheduler.time_of(t)
            answer = self.unet(x, time, labels, guidance_scale, return_dict=False)[0]
            x = self.scheduler.step(answer, t, x, return_dict=False)[0]
        images = self._finished(process.observed(x).float().cpu(), output_type)
        self.maybe_free_model_hooks()
        return ImagePipelineOutput(images=images) if return_dict else (images,)

    def _labels(
        self, asked: int | str | Sequence[int | str] | None, n: int, generator: torch.Generator
    ) -> Tensor | None:
        info = self.unet.info
        if asked is not None:
            return asked_classes(asked, info.label_names, info.label_counts, n)
        if not info.label_names or self.unet.process.prior_holds_data:
            return None
        seed = int(torch.randint(2**31, (), generator=generator, device=generator.device))
        return drawn_classes(info.label_counts, n, seed=seed)

    def _finished(self, x: Tensor, output_type: str) -> Any:  # noqa: ANN401
        if output_type == "latent":
            return x
        values = self.unet.scaling.to_data(x)
        if self.unet.info.kind != "image":
            return values.numpy() if output_type == "np" else values
        images = values.float() / 255
        if output_type == "pt":
            return images
        array: np.ndarray[Any, Any] = images.permute(0, 2, 3, 1).numpy()
        return self.numpy_to_pil(array) if output_type == "pil" else array
