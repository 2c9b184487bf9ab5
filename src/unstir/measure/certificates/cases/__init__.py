"""Cases: one file a family."""
