#!/usr/bin/env python3
"""An int8 network in onnxruntime or LiteRT, one sample at a time, on one thread.

firmware_peer.py version RUNTIME         its version
firmware_peer.py serve RUNTIME FILE      answers `run - 1 - N` with the seconds of N runs

RUNTIME is onnxruntime, onnxruntime-u8 (activations in uint8: the same values, which its
x86 kernels like better) or litert.
"""
import sys
import time


def with_unsigned_activations(path):
    """The QDQ network with 128 added to the int8 zero points of all but constants."""
    import numpy as np
    import onnx
    from onnx import numpy_helper

    model = onnx.load(path)
    graph = model.graph
    constant = {t.name: t for t in graph.initializer}
    moved = set()
    for node in graph.node:
        if node.op_type not in ('QuantizeLinear', 'DequantizeLinear') or node.input[0] in constant:
            continue
        zero = numpy_helper.to_array(constant[node.input[2]])
        if zero.dtype != np.int8:
            continue
        name = node.input[2] + '_unsigned'
        if name not in moved:
            moved.add(name)
            graph.initializer.append(
                numpy_helper.from_array((zero.astype(np.int32) + 128).astype(np.uint8), name))
        node.input[2] = name
    return model.SerializeToString()


def onnxruntime_runner(path, unsigned):
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(with_unsigned_activations(path) if unsigned else path, options,
                                   providers=['CPUExecutionProvider'])
    source, result = session.get_inputs()[0], session.get_outputs()[0]
    shape = [d if isinstance(d, int) else 1 for d in source.shape]
    x = np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)
    binding = session.io_binding()
    binding.bind_cpu_input(source.name, x)
    binding.bind_output(result.name)
    return lambda: session.run_with_iobinding(binding)


def litert_runner(path):
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=1)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]
    x = np.random.default_rng(1).integers(-128, 128, source['shape']).astype(np.int8)
    interpreter.set_tensor(source['index'], x)
    return interpreter.invoke


def serve(runtime, path):
    if runtime == 'litert':
        run = litert_runner(path)
    else:
        run = onnxruntime_runner(path, runtime.endswith('-u8'))
    run()
    print('ready', flush=True)
    for line in sys.stdin:
        n = int(line.split()[-1])
        start = time.perf_counter()
        for _ in range(n):
            run()
        print(time.perf_counter() - start, flush=True)


def version(runtime):
    if runtime == 'litert':
        import importlib.metadata
        from ai_edge_litert.interpreter import Interpreter  # noqa: F401
        return importlib.metadata.version('ai-edge-litert')
    import onnx  # noqa: F401
    import onnxruntime
    return onnxruntime.__version__


if __name__ == '__main__':
    if sys.argv[1] == 'version':
        print(version(sys.argv[2]))
    else:
        serve(sys.argv[2], sys.argv[3])
