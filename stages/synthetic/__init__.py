"""The drawing of synthetic street scenes, in Cityscapes' folder and file format."""
