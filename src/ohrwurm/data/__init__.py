"""Things on disk → training and evaluation examples: manifests, and scores rendered to audio with exact truth."""
