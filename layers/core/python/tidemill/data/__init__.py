"""Reading, checking, profiling and versioning tables. May use duckdb and pandas; no boto3."""
