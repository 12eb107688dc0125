"""From the picture of a lead to the probability, per pixel, that it is ink of this lead."""
