"""tflite.py: makes tflite_*.npy with TensorFlow Lite Micro's reference kernels, for tests/tflite.

    pip install tflite-micro numpy
    python3 tests/golden/tflite.py DIR

DIR holds MLPerf Tiny's int8 networks. For each, on random int8 inputs of a fixed seed:
tflite_NAME_in.npy and tflite_NAME_out.npy as the file has them (channels last), and
tflite_NAME_layers.npy [operators, samples], a hash of the bytes of every operator's output
(FNV-1a of 64 bits, without its sign bit), so that the first layer that differs is found.

LiteRT for desktops would not do: its dense layers round once, those of TensorFlow Lite Micro and
CMSIS-NN twice.
"""
import os
import sys

import numpy as np
from tflite_micro.python.tflite_micro import runtime
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

HERE = os.path.dirname(os.path.abspath(__file__))
NETWORKS = [
    ("ad", "ad01_int8.tflite", 4),
    ("ic", "pretrainedResnet_quant.tflite", 3),
    ("kws", "kws_ref_model.tflite", 4),
    ("sww", "str_ww_ref_model.tflite", 4),
    ("vww", "vww_96_int8.tflite", 1),
]


def fnv(data):
    h = 14695981039346656037
    for byte in data:
        h = ((h ^ byte) * 1099511628211) & 0xFFFFFFFFFFFFFFFF
    return h & 0x7FFFFFFFFFFFFFFF


def run(path, samples, seed):
    """Inputs, outputs, and the hashes of what each operator gives."""
    net = runtime.Interpreter.from_file(
        path, intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors)
    with open(path, "rb") as file:
        graph = schema.ModelT.InitFromPackedBuf(file.read()).subgraphs[0]
    rng = np.random.default_rng(seed)
    xs, ys, hashes = [], [], []
    for _ in range(samples):
        x = rng.integers(-128, 128, net.get_input_details(0)["shape"], dtype=np.int8)
        net.set_input(x, 0)
        net.invoke()
        xs.append(x)
        ys.append(net.get_output(0))
        hashes.append([fnv(net.GetTensor(op.outputs[0], 0)["tensor_data"].tobytes())
                       for op in graph.operators])
    return np.concatenate(xs), np.concatenate(ys), np.array(hashes, dtype=np.int64).T


def save(name, array):
    np.save(os.path.join(HERE, "tflite_%s.npy" % name), np.ascontiguousarray(array))


def main():
    for seed, (name, path, samples) in enumerate(NETWORKS):
        x, y, layers = run(os.path.join(sys.argv[1], path), samples, seed)
        save(name + "_in", x)
        save(name + "_out", y)
        save(name + "_layers", layers)
        print(name, x.shape, y.shape, layers.shape)


main()
