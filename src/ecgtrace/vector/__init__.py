"""
Read a page whose traces are vectors: the paths themselves, not a rendering of them.

`read.read_vectors` does all of it: `turn`, `grid`, `lines`, `calibration`, `layout`, `sampling`, `checks`.
"""
