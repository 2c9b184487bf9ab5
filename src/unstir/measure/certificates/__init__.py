"""Certificates that the physics holds, each on cases where everything is known in closed form."""

from unstir.measure.certificates.check import Certificate, Check, Finding
from unstir.measure.certificates.continuity import continuity_residual
from unstir.measure.certificates.verify import Question, questions, verify

__all__ = ["Certificate", "Check", "Finding", "Question", "continuity_residual", "questions", "verify"]
