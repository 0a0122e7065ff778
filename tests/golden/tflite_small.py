"""tflite_small.py: makes the small networks of tests/tflite/fixtures and what they compute.

    pip install tflite-micro ai-edge-litert numpy
    python3 tests/golden/tflite_small.py

Together they hold every operator that limbeck reads. NAME.tflite is written with the schema's own
Python classes; NAME_in.npy is a real input, channels first, and NAME_out*.npy are the outputs, real
and channels first too: by TensorFlow Lite Micro's reference kernels, or by LiteRT's where that has
no kernel.
"""
import os

import flatbuffers
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tflite_micro.python.tflite_micro import runtime
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as s

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tflite", "fixtures")
OP, ACT = s.BuiltinOperator, s.ActivationFunctionType
SAME, VALID = s.Padding.SAME, s.Padding.VALID
TYPES = {np.dtype("float32"): s.TensorType.FLOAT32, np.dtype("float16"): s.TensorType.FLOAT16,
         np.dtype("int32"): s.TensorType.INT32, np.dtype("int8"): s.TensorType.INT8,
         np.dtype("uint8"): s.TensorType.UINT8}


def options(kind, **values):
    o = getattr(s, kind + "T")()
    for key, value in values.items():
        assert hasattr(o, key), key
        setattr(o, key, value)
    return getattr(s.BuiltinOptions, kind), o


class Net:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.graph, self.model = s.SubGraphT(), s.ModelT()
        self.graph.tensors, self.graph.operators = [], []
        self.model.version, self.model.operatorCodes = 3, []
        self.model.subgraphs, self.model.buffers = [self.graph], [s.BufferT()]
        self.codes = []

    def tensor(self, name, shape, dtype=np.int8, scale=None, zero=0, data=None, axis=0):
        t = s.TensorT()
        t.name, t.shape, t.type, t.buffer = name, list(shape), TYPES[np.dtype(dtype)], 0
        if scale is not None:
            t.quantization = s.QuantizationParametersT()
            t.quantization.scale = np.atleast_1d(np.float32(scale))
            t.quantization.zeroPoint = np.broadcast_to(np.int64(zero), t.quantization.scale.shape)
            t.quantization.quantizedDimension = axis
        if data is not None:
            b = s.BufferT()
            b.data = np.frombuffer(np.ascontiguousarray(data, dtype).tobytes(), np.uint8)
            t.buffer = len(self.model.buffers)
            self.model.buffers.append(b)
        self.graph.tensors.append(t)
        return len(self.graph.tensors) - 1

    def op(self, code, ins, outs, opts=(0, None)):
        if code not in self.codes:
            c = s.OperatorCodeT()
            c.builtinCode, c.deprecatedBuiltinCode, c.version = code, min(code, 127), 1
            self.model.operatorCodes.append(c)
            self.codes.append(code)
        o = s.OperatorT()
        o.opcodeIndex, o.inputs, o.outputs = self.codes.index(code), ins, outs
        o.builtinOptionsType, o.builtinOptions = opts
        self.graph.operators.append(o)
        return outs[0]

    def weights(self, name, shape, scale, x_scale, m, axis=0, bias=True):
        """int8 weights with one scale or one a channel, and an int32 bias."""
        scale = np.float32(scale) * (self.rng.uniform(0.5, 1, m) if axis is not None else 1)
        w = self.tensor(name + "/w", shape, np.int8, scale, 0,
                        self.rng.integers(-127, 128, shape), axis or 0)
        if not bias:
            return [w, -1]
        b = self.tensor(name + "/b", [m], np.int32, np.float32(x_scale) * scale, 0,
                        self.rng.integers(-2000, 2000, m))
        return [w, b]

    def pack(self, ins, outs):
        self.graph.inputs, self.graph.outputs = ins, outs
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def layers8():
    n = Net(1)
    sx = 0.05
    x = n.tensor("image", [1, 7, 6, 3], np.int8, sx, 3)
    pads = n.tensor("pads", [4, 2], np.int32, data=[[0, 0], [1, 0], [0, 1], [0, 0]])
    p = n.op(OP.PAD, [x, pads], [n.tensor("padded", [1, 8, 7, 3], np.int8, sx, 3)],
             options("PadOptions"))
    c = n.op(OP.CONV_2D, [p] + n.weights("stem", [8, 3, 3, 3], 0.0021, sx, 8),
             [n.tensor("stem/Relu6;stem/sum", [1, 3, 3, 8], np.int8, 6 / 255, -128)],
             options("Conv2DOptions", padding=VALID, strideW=2, strideH=2,
                     fusedActivationFunction=ACT.RELU6, dilationWFactor=1, dilationHFactor=1))
    d = n.op(OP.DEPTHWISE_CONV_2D,
             [c] + n.weights("deep", [1, 3, 3, 8], 0.004, 6 / 255, 8, 3),
             [n.tensor("deep/Relu", [1, 3, 3, 8], np.int8, 0.02, -128)],
             options("DepthwiseConv2DOptions", padding=SAME, strideW=1, strideH=1,
                     depthMultiplier=1, fusedActivationFunction=ACT.RELU, dilationWFactor=1,
                     dilationHFactor=1))
    m = n.op(OP.MAX_POOL_2D, [d], [n.tensor("most", [1, 2, 2, 8], np.int8, 0.02, -128)],
             options("Pool2DOptions", padding=SAME, strideW=2, strideH=2, filterWidth=2,
                     filterHeight=2))
    c = n.op(OP.CONV_2D, [m] + n.weights("point", [8, 1, 1, 8], 0.006, 0.02, 8),
             [n.tensor("point", [1, 2, 2, 8], np.int8, 0.015, 7)],
             options("Conv2DOptions", padding=SAME, strideW=1, strideH=1, dilationWFactor=1,
                     dilationHFactor=1))
    r = n.op(OP.RELU, [c], [n.tensor("point/Relu", [1, 2, 2, 8], np.int8, 0.008, -128)])
    a = n.op(OP.ADD, [m, r], [n.tensor("sum/Relu", [1, 2, 2, 8], np.int8, 0.023, -128)],
             options("AddOptions", fusedActivationFunction=ACT.RELU))
    v = n.op(OP.AVERAGE_POOL_2D, [a], [n.tensor("mean", [1, 2, 2, 8], np.int8, 0.023, -128)],
             options("Pool2DOptions", padding=SAME, strideW=1, strideH=1, filterWidth=2,
                     filterHeight=2))
    j = n.op(OP.CONCATENATION, [a, v],
             [n.tensor("both", [1, 2, 2, 16], np.int8, 0.023, -128)],
             options("ConcatenationOptions", axis=-1))
    shape = n.tensor("shape", [2], np.int32, data=[-1, 64])
    f = n.op(OP.RESHAPE, [j, shape], [n.tensor("flat", [1, 64], np.int8, 0.023, -128)],
             options("ReshapeOptions", newShape=[-1, 64]))
    g = n.op(OP.FULLY_CONNECTED, [f] + n.weights("dense", [5, 64], 0.003, 0.023, 5, None),
             [n.tensor("logits", [1, 5], np.int8, 0.09, -11)],
             options("FullyConnectedOptions"))
    y = n.op(OP.SOFTMAX, [g], [n.tensor("answer", [1, 5], np.int8, 1 / 256, -128)],
             options("SoftmaxOptions", beta=1.0))
    return n.pack([x], [y])


def ends8():
    """Float ends, a dilated convolution, a mean, a dense layer with a scale for each output."""
    n = Net(2)
    x = n.tensor("image", [1, 8, 9, 2], np.float32)
    q = n.op(OP.QUANTIZE, [x], [n.tensor("image8", [1, 8, 9, 2], np.int8, 0.05, -4)],
             options("QuantizeOptions"))
    c = n.op(OP.CONV_2D, [q] + n.weights("stem", [6, 3, 3, 2], 0.003, 0.05, 6),
             [n.tensor("stem", [1, 4, 5, 6], np.int8, 0.06, 5)],
             options("Conv2DOptions", padding=VALID, strideW=1, strideH=1, dilationWFactor=2,
                     dilationHFactor=2))
    axes = n.tensor("axes", [2], np.int32, data=[1, 2])
    m = n.op(OP.MEAN, [c, axes], [n.tensor("mean", [1, 6], np.int8, 0.03, 9)],
             options("ReducerOptions", keepDims=False))
    g = n.op(OP.FULLY_CONNECTED,
             [m] + n.weights("dense", [4, 6], 0.01, 0.03, 4, 0, bias=False),
             [n.tensor("logits8", [1, 4], np.int8, 0.03, 0)],
             options("FullyConnectedOptions", fusedActivationFunction=ACT.RELU_N1_TO_1))
    y = n.op(OP.DEQUANTIZE, [g], [n.tensor("logits", [1, 4], np.float32)],
             options("DequantizeOptions"))
    return n.pack([x], [y])


def sequence8():
    """A sequence: channels stay last through EXPAND_DIMS, SQUEEZE and RESHAPE."""
    n = Net(3)
    x = n.tensor("frames", [1, 6, 5], np.int8, 0.04, 2)
    axis = n.tensor("axis", [1], np.int32, data=[2])
    e = n.op(OP.EXPAND_DIMS, [x, axis], [n.tensor("map", [1, 6, 1, 5], np.int8, 0.04, 2)],
             options("ExpandDimsOptions"))
    d = n.op(OP.DEPTHWISE_CONV_2D, [e] + n.weights("deep", [1, 3, 1, 5], 0.005, 0.04, 5, 3),
             [n.tensor("deep", [1, 4, 1, 5], np.int8, 0.03, -1)],
             options("DepthwiseConv2DOptions", padding=VALID, strideW=1, strideH=1,
                     depthMultiplier=1, dilationWFactor=1, dilationHFactor=1))
    c = n.op(OP.CONV_2D, [d] + n.weights("point", [8, 1, 1, 5], 0.005, 0.03, 8),
             [n.tensor("point/Relu", [1, 4, 1, 8], np.int8, 0.02, -128)],
             options("Conv2DOptions", padding=VALID, strideW=1, strideH=1,
                     fusedActivationFunction=ACT.RELU, dilationWFactor=1, dilationHFactor=1))
    q = n.op(OP.SQUEEZE, [c], [n.tensor("line", [1, 4, 8], np.int8, 0.02, -128)],
             options("SqueezeOptions", squeezeDims=[2]))
    shape = n.tensor("shape", [2], np.int32, data=[1, 32])
    f = n.op(OP.RESHAPE, [q, shape], [n.tensor("flat", [1, 32], np.int8, 0.02, -128)],
             options("ReshapeOptions", newShape=[1, 32]))
    y = n.op(OP.FULLY_CONNECTED, [f] + n.weights("dense", [3, 32], 0.004, 0.02, 3, None),
             [n.tensor("logits", [1, 3], np.int8, 0.03, 4)], options("FullyConnectedOptions"))
    return n.pack([x], [y])


def floats():
    """float32 with float16 and int8 weights behind DEQUANTIZE; a dense layer that reads a map."""
    n = Net(4)
    x = n.tensor("image", [1, 5, 5, 2], np.float32)
    half = n.tensor("stem/half", [3, 3, 3, 2], np.float16,
                    data=n.rng.normal(0, 0.3, [3, 3, 3, 2]))
    w = n.op(OP.DEQUANTIZE, [half], [n.tensor("stem/w", [3, 3, 3, 2], np.float32)],
             options("DequantizeOptions"))
    b = n.tensor("stem/b", [3], np.float32, data=n.rng.normal(0, 1, 3))
    c = n.op(OP.CONV_2D, [x, w, b], [n.tensor("stem", [1, 3, 3, 3], np.float32)],
             options("Conv2DOptions", padding=SAME, strideW=2, strideH=2,
                     fusedActivationFunction=ACT.RELU, dilationWFactor=1, dilationHFactor=1))
    w = n.tensor("deep/w", [1, 2, 2, 6], np.int8, n.rng.uniform(0.001, 0.01, 6), 0,
                 n.rng.integers(-127, 128, [1, 2, 2, 6]), 3)
    w = n.op(OP.DEQUANTIZE, [w], [n.tensor("deep/wide", [1, 2, 2, 6], np.float32)],
             options("DequantizeOptions"))
    b = n.tensor("deep/b", [6], np.float32, data=n.rng.normal(0, 1, 6))
    d = n.op(OP.DEPTHWISE_CONV_2D, [c, w, b],
             [n.tensor("deep", [1, 3, 3, 6], np.float32)],
             options("DepthwiseConv2DOptions", padding=SAME, strideW=1, strideH=1,
                     depthMultiplier=2, dilationWFactor=1, dilationHFactor=1))
    axes = n.tensor("axes", [1], np.int32, data=[1])
    m = n.op(OP.MEAN, [d, axes], [n.tensor("rows", [1, 1, 3, 6], np.float32)],
             options("ReducerOptions", keepDims=True))
    w = n.tensor("dense/w", [4, 18], np.float32, data=n.rng.normal(0, 0.5, [4, 18]))
    y = n.op(OP.FULLY_CONNECTED, [m, w, -1], [n.tensor("logits", [1, 4], np.float32)],
             options("FullyConnectedOptions"))
    r = n.op(OP.RELU6, [y], [n.tensor("answer", [1, 4], np.float32)])
    return n.pack([x], [r])


def orders():
    """One map under other shapes, each an output: the file's order of elements must show."""
    n = Net(5)
    x = n.tensor("map", [1, 2, 3, 4], np.float32)
    outs = []
    for i, to in enumerate(([1, 24], [1, 6, 4], [1, 3, 2, 4], [1, 8, 3], [1, 4, 3, 2])):
        shape = n.tensor("shape%d" % i, [len(to)], np.int32, data=to)
        outs.append(n.op(OP.RESHAPE, [x, shape], [n.tensor("as%d" % i, to, np.float32)],
                         options("ReshapeOptions", newShape=to)))
    return n.pack([x], outs)


def refused():
    """Nothing here can be taken but the first layer and what stands between."""
    n = Net(6)
    x = n.tensor("image", [1, 4, 4, 2], np.int8, 0.05, 3)
    dense = s.BuiltinOptions.NONE, None
    a = n.op(OP.LOGISTIC, [x], [n.tensor("gate", [1, 4, 4, 2], np.int8, 1 / 256, -128)], dense)
    n.op(OP.RELU, [a], [n.tensor("behind", [1, 4, 4, 2], np.int8, 1 / 256, -128)], dense)
    one = n.tensor("one", [1, 4, 4, 2], np.int8, 0.05, 3, np.ones([1, 4, 4, 2]))
    n.op(OP.ADD, [x, one], [n.tensor("shifted", [1, 4, 4, 2], np.int8, 0.05, 3)],
         options("AddOptions"))
    n.op(OP.MAX_POOL_2D, [x], [n.tensor("finer", [1, 2, 2, 2], np.int8, 0.04, 3)],
         options("Pool2DOptions", padding=VALID, strideW=2, strideH=2, filterWidth=2,
                 filterHeight=2))
    w = n.tensor("w", [2, 1, 1, 2], np.int8, 0.01, 5, np.ones([2, 1, 1, 2]))
    n.op(OP.CONV_2D, [x, w, -1], [n.tensor("skewed", [1, 4, 4, 2], np.int8, 0.05, 3)],
         options("Conv2DOptions", padding=VALID, strideW=1, strideH=1, dilationWFactor=1,
                 dilationHFactor=1))
    f = n.op(OP.RELU, [x], [n.tensor("coarse", [1, 4, 4, 2], np.uint8, 0.05, 131)])
    y = n.op(OP.SOFTMAX, [x], [n.tensor("sharp", [1, 4, 4, 2], np.int8, 1 / 256, -128)],
             options("SoftmaxOptions", beta=2.0))
    return n.pack([x], [f, y])


def channels_first(a):
    return np.ascontiguousarray(np.moveaxis(a, -1, 1) if a.ndim > 2 else a)


def real(a, q):
    scale, zero = q
    return a if a.dtype == np.float32 else (a - np.float32(zero)) * np.float32(scale)


def grid(details):
    q = details["quantization_parameters"]
    return (q["scales"][0], q["zero_points"][0]) if len(q["scales"]) else (1, 0)


def by_tflm(data, x, n_out):
    net = runtime.Interpreter.from_bytes(data)
    outs = []
    for one in x:
        net.set_input(one[None], 0)
        net.invoke()
        outs.append([net.get_output(i).copy() for i in range(n_out)])
    return [np.concatenate(o) for o in zip(*outs)]


def by_litert(data, x, n_out):
    net = Interpreter(model_content=data,
                      experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    net.allocate_tensors()
    outs = []
    for one in x:
        net.set_tensor(net.get_input_details()[0]["index"], one[None])
        net.invoke()
        outs.append([net.get_tensor(o["index"]) for o in net.get_output_details()])
    return [np.concatenate(o) for o in zip(*outs)]


def main():
    with open(os.path.join(FOLDER, "refused.tflite"), "wb") as file:
        file.write(refused())
    for seed, make in enumerate((layers8, ends8, sequence8, floats, orders)):
        name, data = make.__name__, make()
        with open(os.path.join(FOLDER, name + ".tflite"), "wb") as file:
            file.write(data)
        net = Interpreter(model_content=data)
        given, results = net.get_input_details()[0], net.get_output_details()
        rng = np.random.default_rng(seed)
        shape = [6] + list(given["shape"][1:])
        x = (rng.integers(-128, 128, shape, dtype=np.int8) if given["dtype"] == np.int8
             else rng.normal(0, 2, shape).astype(np.float32))
        run = by_litert if name in ("floats", "orders") else by_tflm
        outs = run(data, x, len(results))
        np.save(os.path.join(FOLDER, name + "_in.npy"), channels_first(real(x, grid(given))))
        for i, (out, details) in enumerate(zip(outs, results)):
            np.save(os.path.join(FOLDER, "%s_out%d.npy" % (name, i)),
                    channels_first(real(out, grid(details))))
        print(name, len(data), run.__name__, [len(np.unique(o)) for o in outs])


main()
