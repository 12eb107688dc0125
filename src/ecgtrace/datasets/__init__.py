"""Crops of single leads: cut from drawn pages, or read from a folder; and their augmentation."""
