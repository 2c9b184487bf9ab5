"""`python -m unstir` is `unstir`."""

from unstir.cli import main

main()
