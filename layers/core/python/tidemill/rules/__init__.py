"""Metrics, gates, promotion and prices as pure functions. numpy and the standard library only."""
