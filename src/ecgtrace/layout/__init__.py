"""Rows, columns and names of a page: which ink is which lead's. Works on the maps of `page_ink`."""
