"""Which case a process is checked on: that of the nearest of its classes listed here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from unstir.measure.certificates.case import Case
from unstir.measure.certificates.cases.bridge import BridgeCase
from unstir.measure.certificates.cases.capacitor import CapacitorCase
from unstir.measure.certificates.cases.coins import CoinCase
from unstir.measure.certificates.cases.kac import KacCase
from unstir.measure.certificates.cases.langevin import LangevinCase
from unstir.measure.certificates.cases.linear import LinearCase
from unstir.measure.certificates.cases.pde import PDECase
from unstir.measure.certificates.cases.pfgm import pfgm_case
from unstir.physics import Bridge, Capacitor, CoinProcess, LangevinProcess, LinearProcess, Pfgm
from unstir.physics.kac import Kac
from unstir.physics.kinds import nearest
from unstir.physics.pde import PDE

# A new family is a new file and a line here.
_CASES: dict[type[object], Callable[[Any], Case[Any]]] = {
    LinearProcess: LinearCase.of,
    Pfgm: pfgm_case,
    LangevinProcess: LangevinCase,
    CoinProcess: CoinCase,
    Kac: KacCase,
    Capacitor: CapacitorCase.of,
    Bridge: BridgeCase,
    PDE: PDECase,
}


def case_of(process: object) -> Case[Any] | None:
    """The case of a process, or None where no family brings one."""
    kind = nearest(_CASES, process)
    return None if kind is None else kind(process)
