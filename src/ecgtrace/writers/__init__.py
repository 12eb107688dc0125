"""
A recording written to files: one module for each format, found by name in `writers.formats`.

A writer takes a recording and a path without an ending, and returns the files that it wrote.
"""
