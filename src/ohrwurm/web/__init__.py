"""Collection → HTTP API and page, for the person at this machine."""
