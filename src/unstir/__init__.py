"""unstir: physics-inspired generative models under one interface."""
