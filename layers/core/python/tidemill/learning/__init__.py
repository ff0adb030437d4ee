"""Roles, candidates, fitting, evaluation and export. May use pandas, scikit-learn and skl2onnx; no boto3."""
