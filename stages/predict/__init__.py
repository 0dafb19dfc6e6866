"""A trained network in use: pictures in, masks, overlays and COCO files out; and the training's boxes, corrected."""
