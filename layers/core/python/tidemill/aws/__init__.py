"""The one wall around boto3: objects, registry, executions, queues, events."""
