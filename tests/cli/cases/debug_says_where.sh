limbeck inspect nowhere.onnx --debug 2>&1 | sed 's/:[0-9]*$/:LINE/'
