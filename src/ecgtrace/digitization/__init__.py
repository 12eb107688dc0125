"""From a picture or a mask to a signal: grid, threshold, path, post-processing."""
