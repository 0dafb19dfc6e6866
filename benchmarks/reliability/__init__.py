"""Drills: what is lost, and what is said, when a run is killed, a file damaged, an input wrong, or a load large."""
