"""A picture of a whole page in, a recording out."""
