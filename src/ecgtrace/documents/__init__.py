"""
Any file gives pages: what a picture, a PDF or a DICOM object holds, before anything is read off it.

`count_pages` and `read_page` tell the format by the content, not by the name.
"""
