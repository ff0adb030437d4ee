"""The tasks without a target: clusters, components and anomalies."""
