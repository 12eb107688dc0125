"""What is printed on a page in lines of text: read by PaddleOCR's recognizer."""
