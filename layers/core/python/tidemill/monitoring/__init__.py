"""Watching models in production: summaries, drift, quality, findings. numpy and the serving room, no services."""
