"""How close digitized signals come to the truth: alignment, metrics, subsets, intervals."""
