"""Pictures of a physics, drawn from what the library computes and from nothing else."""

from unstir.picture.gallery import slug, write
from unstir.picture.picture import Picture
from unstir.picture.registry import parse, pictures, view_of
from unstir.picture.scene import Scene

__all__ = ["Picture", "Scene", "parse", "pictures", "slug", "view_of", "write"]
