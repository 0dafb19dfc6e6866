"""A trained network as one file that other programs run without this project: ONNX or TorchScript."""
