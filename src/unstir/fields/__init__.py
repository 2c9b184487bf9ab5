"""Fields: who knows where the flow goes. Exact (from the data), a mixture's, or a network's."""

from unstir.fields.exact import ExactField
from unstir.fields.field import Field, FieldFunction, FunctionField, Slice, as_field
from unstir.fields.mixture import MixtureField
from unstir.fields.networks import ResidualMLP, UNet, build_network
from unstir.fields.neural import NeuralField

__all__ = [
    "ExactField",
    "Field",
    "FieldFunction",
    "FunctionField",
    "MixtureField",
    "NeuralField",
    "ResidualMLP",
    "Slice",
    "UNet",
    "as_field",
    "build_network",
]
