"""The model: time split, forest, ONNX file, evaluation, promotion rule, registry."""
