"""What changes the weights: Muon for matrices, torch's Adam for the rest, as one.

Muon makes each matrix's step orthogonal (`muon.py`). A convolution's weights are a matrix of outputs by
inputs × places; what has fewer than 16 of either, and every vector, is Adam's, at a tenth of the rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from unstir.train.muon import Muon
from unstir.train.sharding import lies_in_parts, placed

_NARROW = 16
_SHARE = 0.1  # of Muon's learning rate
_BETAS = (0.9, 0.99)

# The highest learning rate where none is given.
USUAL_LR = {"adam": 2e-3, "muon": 4e-3}


class Optimizer:
    """Adam, or Muon and Adam, over parameters.

    Args:
        parameters: in an order that a checkpoint may rely on.
        name: `adam` or `muon`.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], name: str) -> None:
        self._parameters = list(parameters)
        wide = [i for i, p in enumerate(self._parameters) if name == "muon" and is_wide(p)]
        narrow = [i for i in range(len(self._parameters)) if i not in set(wide)]
        # Muon takes matrices alone: views of the same numbers, whose gradients are lent at each step.
        self._views = {i: nn.Parameter(_as_matrix(self._parameters[i].detach())) for i in wide}
        self._parts: list[tuple[torch.optim.Optimizer, list[int], float]] = []
        if wide:
            muon = Muon(self._views.values())
            self._parts.append((muon, wide, 1.0))
        if narrow:
            adam = torch.optim.Adam([self._parameters[i] for i in narrow], betas=_BETAS, fused=True)
            self._parts.append((adam, narrow, _SHARE if wide else 1.0))

    def step(self, lr: float, made: Tensor | None = None) -> None:
        """Change the parameters by their gradients.

        Args:
            lr: the learning rate.
            made: a scalar boolean on their device: where it is false nothing changes, whatever the gradients.
        """
        idle = None if made is None else 1 - made.float()
        for index, view in self._views.items():
            gradient = self._parameters[index].grad
            view.grad = None if gradient is None else _as_matrix(gradient, like=self._parameters[index])
        for part, _, share in self._parts:
            for group in part.param_groups:
                group["lr"] = share * lr
            # As torch's GradScaler tells its optimisers, on the device.
            part.found_inf = idle  # type: ignore[attr-defined]
            part.step()

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint keeps, by the parameter's place and a name: those that had a gradient so far."""
        return {
            f"{places[index]}.{key}": self._kept(value, places[index])
            for part, places, _ in self._parts
            for index, entry in part.state_dict()["state"].items()
            for key, value in entry.items()
        }

    def _kept(self, value: Tensor, place: int) -> Tensor:
        """Muon's matrices as they are with channels first, so that any layout can go on from them."""
        parameter = self._parameters[place]
        if place not in self._views or parameter.is_contiguous():
            return value
        inputs, *sides = parameter.shape[1:]
        return value.reshape(len(value), *sides, inputs).movedim(-1, 1).flatten(1)

    def expected(self) -> dict[str, Tensor]:
        """Tensors of all the names and shapes that `tensors` can have."""
        wanted: dict[str, Tensor] = {}
        for index, parameter in enumerate(self._parameters):
            if index in self._views:
                wanted[f"{index}.momentum_buffer"] = self._views[index].detach()
            else:
                moments = dict.fromkeys(("exp_avg", "exp_avg_sq"), parameter.detach())
                wanted |= {
                    f"{index}.{key}": value for key, value in {"step": torch.zeros(()), **moments}.items()
                }
        return wanted

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `tensors` gave."""
        entries: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            index, _, key = name.partition(".")
            entries.setdefault(int(index), {})[key] = value
        for part, places, _ in self._parts:
            state = {
                i: self._placed(entries[place], place) for i, place in enumerate(places) if place in entries
            }
            part.load_state_dict({"state": state, "param_groups": part.state_dict()["param_groups"]})

    def _placed(self, entry: Mapping[str, Tensor], place: int) -> dict[str, Tensor]:
        """One parameter's state, in parts where that is, and as its numbers lie: fused Adam goes by these."""
        parameter, view = self._parameters[place], self._views.get(place)
        like = parameter if view is None else view
        found = dict[str, Tensor]()
        for key, value in entry.items():
            if not value.ndim:
                found[key] = value
            elif lies_in_parts(like) or parameter.is_contiguous():
                found[key] = placed(value, like)
            elif view is None:
                found[key] = torch.empty_like(like).copy_(value)
            else:
                found[key] = value.reshape(parameter.shape).movedim(1, -1).flatten(1)
        return found


def _as_matrix(weight: Tensor, like: Tensor | None = None) -> Tensor:
    """A row an output: of a weight itself a view, whether its channels lie first or last."""
    lies_last = not (weight if like is None else like).is_contiguous()
    return (weight.movedim(1, -1) if lies_last else weight).flatten(1)


def is_wide(parameter: Tensor) -> bool:
    """Whether a parameter is a matrix that Muon takes."""
    return parameter.ndim > 1 and min(len(parameter), parameter[0].numel()) >= _NARROW
