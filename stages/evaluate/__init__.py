"""Evaluation: trained runs and packed arrays in, scores out.

`scores.evaluate` measures one run; `gather.gather` collects the runs of every row, without importing torch.
"""
