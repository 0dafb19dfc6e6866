"""Training: packed arrays in, the weights, history and snapshots of one row and seed out."""
