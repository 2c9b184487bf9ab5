"""Fields: who knows where the flow goes. Exact (from the data), a mixture's, or a network's."""

from unstir.fields.bridged import BridgeField, GaussianPairs
from unstir.fields.coin import CoinField
from unstir.fields.consistency import ConsistencyField
from unstir.fields.dit import DiT
from unstir.fields.exact import ExactField
from unstir.fields.exact_coins import ExactCoins
from unstir.fields.field import Field, FieldFunction, FunctionField, Slice, as_field
from unstir.fields.flux import FluxField
from unstir.fields.guided import GuidedField
from unstir.fields.hybrid import HybridField
from unstir.fields.kac import KacField
from unstir.fields.learned import LearnedField
from unstir.fields.local import LocalField
from unstir.fields.mixture import MixtureField
from unstir.fields.mlp import ResidualMLP
from unstir.fields.modal import ModalField
from unstir.fields.modalsketch import ModalSketch
from unstir.fields.networks import NETWORKS, build_network
from unstir.fields.neural import NeuralField
from unstir.fields.patchunet import PatchUNet
from unstir.fields.phase import LangevinMixture
from unstir.fields.plates import ExactPlates, PlateField
from unstir.fields.registry import field_class
from unstir.fields.sketch import Sketch
from unstir.fields.transformer import Transformer
from unstir.fields.unet import UNet
from unstir.fields.unet1d import UNet1d

__all__ = [
    "NETWORKS",
    "BridgeField",
    "CoinField",
    "ConsistencyField",
    "DiT",
    "ExactCoins",
    "ExactField",
    "ExactPlates",
    "Field",
    "FieldFunction",
    "FluxField",
    "FunctionField",
    "GaussianPairs",
    "GuidedField",
    "HybridField",
    "KacField",
    "LangevinMixture",
    "LearnedField",
    "LocalField",
    "MixtureField",
    "ModalField",
    "ModalSketch",
    "NeuralField",
    "PatchUNet",
    "PlateField",
    "ResidualMLP",
    "Sketch",
    "Slice",
    "Transformer",
    "UNet",
    "UNet1d",
    "as_field",
    "build_network",
    "field_class",
]
