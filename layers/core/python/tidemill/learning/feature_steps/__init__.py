"""What a model's graph does with encoded columns before the estimator: one class a file.

Each step has `fit`, which learns it from training rows; `transform`, which makes its columns of the matrix with numpy;
and `nodes`, which are the same as ONNX.
"""
