"""The network architectures in torch, and their export to ONNX."""
