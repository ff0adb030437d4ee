"""What the HTTP API for releases and monitoring answers."""
