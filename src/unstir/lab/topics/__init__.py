"""Topics of the lab: each a request of its own, computed here and drawn by a view of the same name."""
