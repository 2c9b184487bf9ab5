"""Which learned field a process trains: that of the nearest of its classes listed here."""

from __future__ import annotations

from typing import Any

from unstir.fields.bridged import BridgeField
from unstir.fields.coin import CoinField
from unstir.fields.flux import FluxField
from unstir.fields.hybrid import HybridField
from unstir.fields.kac import KacField
from unstir.fields.learned import LearnedField
from unstir.fields.modal import ModalField
from unstir.fields.neural import NeuralField
from unstir.fields.plates import PlateField
from unstir.physics import (
    Bridge,
    Capacitor,
    CoinProcess,
    DampedProcess,
    Kac,
    LangevinProcess,
    LinearProcess,
    Pfgm,
    Process,
)
from unstir.physics.kinds import serving

# A new family is a new file and a line here.
_FIELDS: dict[type[Process], type[LearnedField[Any]]] = {
    LinearProcess: NeuralField,
    Pfgm: FluxField,
    DampedProcess: ModalField,
    LangevinProcess: HybridField,
    CoinProcess: CoinField,
    Capacitor: PlateField,
    Bridge: BridgeField,
    Kac: KacField,
}


def field_class(process: Process) -> type[LearnedField[Any]]:
    """The class of learned fields that `process` trains.

    Raises:
        InputError: a process of a family that is not listed.
    """
    missing = f"process {process.name}: no learned field is listed for a {type(process).__name__}"
    return serving(_FIELDS, process, missing)
