"""What is printed where on a whole page, as a small network sees it: traces, pulses, bars, text, rows, lead names."""
