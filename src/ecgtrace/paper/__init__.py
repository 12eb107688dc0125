"""Every table and curve of the paper from one command: which artefact needs which run, what came of it."""
