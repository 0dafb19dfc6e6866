"""Trained runs and packed arrays -> IoU, how well flips find the boxes' wrong pixels, how rectangular the output is.

`scores.evaluate` measures one run with one predictor; `gather.gather` collects the runs of every row, without torch.
"""
