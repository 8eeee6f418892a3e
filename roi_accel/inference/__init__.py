"""Saliency networks on ONNX Runtime: models, providers, sessions."""
