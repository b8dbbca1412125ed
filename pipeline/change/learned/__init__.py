"""Change learned from examples: Siamese networks run on ONNX Runtime, and how they are trained."""
