"""One file a verb of the `tidemill` command."""
