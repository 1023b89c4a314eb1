"""onnxruntime judges: networks built from the blocks that exporters emit, the default model, and the MobileNetV2 of
../shared give what onnxruntime makes of the same tensor.

Both compute in float32 in another order, so they differ in the 7th digit of each sum; 5e-6 of the vector's length
leaves room for some fifty layers.
"""

import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import BUILD, ROOT, SHARED, missing
from onnx import TensorProto, helper, numpy_helper

TOLERANCE = 5e-6


class Net:
    """Nodes and random weights; each method returns the name of its result."""

    def __init__(self, opset=17, channels_last=False):
        self.opset, self.nodes, self.weights = opset, [], []
        self.random = np.random.default_rng(7)
        self.dims = ["N", "H", "W", 3] if channels_last else ["N", 3, "H", "W"]

    def constant(self, values, dtype=np.float32):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def weight(self, *shape, scale=None):
        scale = scale or (2 / np.prod(shape[1:])) ** 0.5
        return self.constant(self.random.standard_normal(shape) * scale)

    def node(self, op, *inputs, **attributes):
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def conv(self, x, num_in, num_out, kernel=1, stride=1, groups=1, bias=True, pads=None):
        pads = pads or [kernel // 2] * 4
        w = [self.weight(num_out, num_in // groups, kernel, kernel)] + ([self.weight(num_out, scale=0.1)] if bias else [])
        return self.node("Conv", x, *w, kernel_shape=[kernel] * 2, strides=[stride] * 2, group=groups, pads=pads)

    def norm(self, x, num):
        r = self.random
        parts = r.random(num) + 0.5, r.standard_normal(num), r.standard_normal(num), r.random(num) + 0.5
        return self.node("BatchNormalization", x, *map(self.constant, parts))

    def relu6(self, x):
        return self.node("Clip", x, self.constant(0), self.constant(6))

    def dense(self, x, num_in, num_out):
        return self.node("Gemm", x, self.weight(num_out, num_in), self.weight(num_out, scale=0.1), transB=1)

    def save(self, path, y):
        graph = helper.make_graph(
            self.nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, self.dims)],
            [helper.make_tensor_value_info(y, TensorProto.FLOAT, None)], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)
        onnx.save(model, path)
        return path


def residual(net):
    """ResNet: norms behind convolutions without bias, Add, Relu, two strides."""
    x = net.node("Relu", net.norm(net.conv("x", 3, 16, 7, 2, bias=False), 16))
    x = net.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    for num_in, num_out, stride in ((16, 16, 1), (16, 32, 2)):
        y = net.node("Relu", net.norm(net.conv(x, num_in, num_out, 3, stride, bias=False), num_out))
        y = net.norm(net.conv(y, num_out, num_out, 3, bias=False), num_out)
        if stride > 1:
            x = net.norm(net.conv(x, num_in, num_out, 1, stride, bias=False), num_out)
        x = net.node("Relu", net.node("Add", y, x))
    x = net.node("Flatten", net.node("GlobalAveragePool", x))
    return net.dense(x, 32, 20)


def vgg(net):
    """VGG: a dense layer over a picture, whose weights are in NCHW order."""
    x = "x"
    for num_in, num_out in ((3, 8), (8, 12)):
        x = net.node("Relu", net.conv(x, num_in, num_out, 3))
        x = net.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = net.node("AveragePool", x, kernel_shape=[8, 8], strides=[8, 8])
    x = net.node("Flatten", x)
    x = net.node("Dropout", net.node("Relu", net.dense(x, 12 * 4 * 4, 64)))
    return net.node("Softmax", net.dense(x, 64, 10), axis=-1)


def inverted(net):
    """MobileNetV2: depthwise, ReLU6, asymmetric pads."""
    x = net.relu6(net.conv("x", 3, 8, 3, 2, pads=[0, 0, 1, 1]))
    for stride in (1, 2):
        y = net.relu6(net.conv(x, 8, 48))
        y = net.relu6(net.conv(y, 48, 48, 3, stride, groups=48))
        y = net.conv(y, 48, 8)
        x = net.node("Add", x, y) if stride == 1 else y
    return net.node("ReduceMean", x, axes=[2, 3], keepdims=0)


def squeezed(net):
    """MobileNetV3, EfficientNet: squeeze and excite, hard and soft swish."""
    x = net.node("HardSwish", net.conv("x", 3, 16, 3, 2))
    for gate in ("HardSigmoid", "Sigmoid"):
        s = net.node("ReduceMean", x, axes=[-1, -2]) if gate == "Sigmoid" else net.node("GlobalAveragePool", x)
        s = net.conv(net.node("Relu", net.conv(s, 16, 4)), 4, 16)
        s = net.node("HardSigmoid", s, alpha=1 / 6, beta=0.5) if gate == "HardSigmoid" else net.node("Sigmoid", s)
        x = net.node("Mul", x, s)
        y = net.conv(x, 16, 16, 5, groups=16)
        x = net.node("Mul", y, net.node("Sigmoid", y))
    shape = net.node("Shape", x)
    batch = net.node("Gather", shape, net.constant(0, np.int64), axis=0)
    batch = net.node("Unsqueeze", batch, net.constant([0], np.int64))
    shape = net.node("Concat", batch, net.constant([-1], np.int64), axis=0)
    return net.node("Reshape", net.node("GlobalAveragePool", x), shape)


def keras(net):
    """What tf2onnx makes: NHWC turned first, Pad, a norm's scale as Mul."""
    x = net.node("Transpose", "x", perm=[0, 3, 1, 2])
    x = net.node("Sub", net.node("Mul", x, net.constant(0.5)), net.constant([[[0.1]], [[0.2]], [[0.3]]]))
    x = net.node("Pad", x, net.constant([0, 0, 0, 0, 0, 0, 1, 1], np.int64))
    x = net.relu6(net.conv(x, 3, 8, 3, 2, pads=[0, 0, 0, 0]))
    x = net.conv(x, 8, 8, 3, groups=8, bias=False)
    x = net.node("Mul", x, net.weight(1, 8, 1, 1))
    x = net.node("Relu", net.node("Add", x, net.weight(1, 8, 1, 1)))
    x = net.node("Transpose", x, perm=[0, 2, 3, 1])
    x = net.node("ReduceMean", x, axes=[1, 2], keepdims=0)
    return net.node("Add", net.node("MatMul", x, net.weight(8, 9)), net.weight(9))


def grouped(net):
    """ResNeXt, dilations, a norm before its convolution, count_include_pad."""
    x = net.node("Relu", net.norm(net.conv("x", 3, 12, 3), 12))
    w = net.weight(24, 3, 3, 3)
    x = net.node("Conv", net.norm(x, 12), w, group=4, dilations=[2, 2], pads=[2, 2, 2, 2])
    x = net.node("LeakyRelu", x, alpha=0.1)
    x = net.node("AveragePool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1)
    return net.node("Flatten", x)


def ours(path, x):
    """The vector that our network makes of x [H, W, 3]."""
    command = [BUILD / "tests/vectors/nn_probe", path, *map(str, x.shape[:2])]
    run = subprocess.run(command, input=x.tobytes(), capture_output=True, check=False)
    assert run.returncode == 0, run.stderr.decode()
    return np.frombuffer(run.stdout, np.float32)


def theirs(path, x, channels_last=False):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    batch = x[None] if channels_last else x[None].transpose(0, 3, 1, 2)
    return session.run(None, {session.get_inputs()[0].name: batch})[0].ravel()


def picture(height, width, seed=1):
    return np.random.default_rng(seed).uniform(-1, 1, (height, width, 3)).astype(np.float32)


def assert_equal(got, want, tolerance=TOLERANCE):
    assert got.shape == want.shape
    assert np.linalg.norm(got - want) <= tolerance * np.linalg.norm(want)
    cosine = np.dot(got.astype(float), want) / np.linalg.norm(got.astype(float)) / np.linalg.norm(want.astype(float))
    assert cosine >= 0.99999


@pytest.mark.parametrize("opset", [13, 17])
@pytest.mark.parametrize("make", [residual, vgg, inverted, squeezed, grouped], ids=lambda f: f.__name__)
def test_blocks_of_known_networks(tmp_path, make, opset):
    net = Net(max(opset, 14) if make is squeezed else opset)
    path = net.save(tmp_path / "net.onnx", make(net))
    height, width = (128, 128) if make is vgg else (75, 50)
    x = picture(height, width)
    assert_equal(ours(path, x), theirs(path, x))


def test_a_network_that_keras_exported(tmp_path):
    net = Net(15, channels_last=True)
    path = net.save(tmp_path / "net.onnx", keras(net))
    x = picture(40, 30)
    assert_equal(ours(path, x), theirs(path, x, channels_last=True))


def test_float16_weights_are_widened(tmp_path):
    """The same weights as float16 and, rounded to it, as float32."""
    vectors = []
    for dtype in (np.float16, np.float32):
        net = Net()
        half = dtype is np.float16
        x = net.node("Cast", "x", to=TensorProto.FLOAT16) if half else "x"
        w = net.random.standard_normal((6, 3, 3, 3)).astype(np.float16)
        x = net.node("Conv", x, net.constant(w, dtype))
        x = net.node("GlobalAveragePool", net.node("Relu", x))
        x = net.node("Cast", x, to=TensorProto.FLOAT) if half else x
        vectors.append(ours(net.save(tmp_path / f"{net.nodes[0].op_type}.onnx", x), picture(20, 20)))
    assert np.array_equal(*vectors)


def test_external_data_is_refused_with_what_to_do(tmp_path):
    net = Net()
    path = net.save(tmp_path / "net.onnx", vgg(net))
    onnx.save(onnx.load(path), tmp_path / "split.onnx", save_as_external_data=True, size_threshold=100)
    with pytest.raises(AssertionError, match=r"external_data=False.*onnx\.save\(onnx\.load"):
        ours(tmp_path / "split.onnx", picture(128, 128))


def test_the_default_model():
    path = ROOT / "models/s3embed_default.onnx"
    for seed in range(4):
        x = picture(128, 128, seed)
        assert_equal(ours(path, x), theirs(path, x))


@pytest.mark.parametrize("name", ["features", "logits"])
@pytest.mark.parametrize("height, width", [(224, 224), (96, 160)])
def test_mobilenet_of_shared(name, height, width):
    path = SHARED / f"models/mobilenet_v2_imagenet{'_logits' if name == 'logits' else ''}_f32.onnx"
    if not path.exists():
        missing("../shared", "no MobileNetV2")
    x = picture(height, width)
    assert_equal(ours(path, x), theirs(path, x), 2e-5)
