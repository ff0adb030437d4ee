"""Charts and the run report. Standard library, contracts and rules only."""
