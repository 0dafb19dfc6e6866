"""Grids of trainings, and DVC's queue or plain processes that run them."""
