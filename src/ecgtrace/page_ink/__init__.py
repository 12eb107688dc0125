"""What is printed where on a whole page, as a small network sees it: ink of four kinds, rows, names."""
