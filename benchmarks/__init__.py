"""How fast the project is, and against what. Ratios of sides that ran in turn, in one process; NOTES.md keeps them."""
