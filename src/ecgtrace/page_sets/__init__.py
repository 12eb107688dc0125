"""Whole pages with their truth, from wherever they come: what `evaluate.py data=pages` iterates over."""
