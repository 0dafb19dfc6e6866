"""Scenes -> boxes in COCO format, the split, and packed arrays at training size."""
