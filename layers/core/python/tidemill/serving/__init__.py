"""Feature encoding, scoring and wire protocols. numpy and onnxruntime only: no environment, no clock, no network."""
