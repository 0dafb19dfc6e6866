"""Training: packed arrays -> the weights, history and pictures of one row and seed."""
