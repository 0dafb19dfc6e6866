"""Metrics, pictures and notebooks -> reports/."""
