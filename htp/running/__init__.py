"""Running a file in onnxruntime: sessions, samples for its inputs, values that it has inside."""
