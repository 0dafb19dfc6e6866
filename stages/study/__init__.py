"""Trainings beyond the paper's rows, and what they teach."""
