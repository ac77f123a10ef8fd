"""The ONNX graph: a person's factor found from their history inside the model, so that no model holds a person."""
