"""Vectors become a loss: pure functions, no input or output, nothing of training."""
