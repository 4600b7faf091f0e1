"""Ways to have code run by a model that calls itself harmless: each is refused before anything is loaded."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
import yaml
from registries import Registry
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from brierlake.config import AllowConfig, ModelConfig
from brierlake.errors import ModelError
from brierlake.registry import FetchedModel, fetch_model, resolve_model

Harm = Callable[[Path], None]


class Evil:
    def __reduce__(self) -> Any:
        return print, ("unpickled",)


def pickled(protocol: int = 4) -> bytes:
    return pickle.dumps(Evil(), protocol=protocol)


def put(name: str, content: bytes | str) -> Harm:
    def write(files: Path) -> None:
        (files / name).parent.mkdir(parents=True, exist_ok=True)
        (files / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return write


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def array_file(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def array_archive(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=array)
    return buffer.getvalue()


OBJECTS = np.array([Evil()], dtype=object)


def skops_of(*names: tuple[str, str], loader: str = "ObjectNode") -> bytes:
    """A file of skops that names these types beside a harmless one."""
    nodes = [{"__module__": module, "__class__": name, "__loader__": loader} for module, name in names]
    schema = {"__module__": "builtins", "__class__": "list", "__loader__": "ListNode", "content": nodes}
    return zipped({"schema.json": json.dumps(schema).encode()})


def keras_of(**layer: Any) -> bytes:
    config = {"module": "keras", "class_name": "Sequential", "config": {"layers": [layer]}}
    return zipped({"config.json": json.dumps(config).encode(), "metadata.json": b"{}"})


def with_mlmodel(**flavors: dict[str, Any]) -> Harm:
    def change(files: Path) -> None:
        content = yaml.safe_load((files / "MLmodel").read_text())
        for name, keys in flavors.items():
            content["flavors"].setdefault(name, {}).update(keys)
        (files / "MLmodel").write_text(yaml.safe_dump(content))

    return change


def fetch(quick: Registry, name: str, folder: Path, harm: Harm, allow: AllowConfig) -> FetchedModel:
    _, model_id = quick.log_run((0.1, 0, 1000))
    quick.register(name, model_id)
    (files,) = (quick.server.folder / "artifacts").rglob(f"{model_id}/artifacts")
    harm(files)
    config = ModelConfig(pin=f"{name}/1", allow=allow)
    return fetch_model(quick.client, resolve_model(quick.client, config), config, folder=folder)


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        (put("model.bin", pickled()), "model.bin is a pickle"),
        (put("notes.txt", pickled(protocol=0)), "notes.txt is a pickle"),
        (put("notes.json", pickled(protocol=1)), "notes.json is a pickle"),
        (put("model.py", pickled(protocol=0)), "model.py is a pickle"),
        (put("hex.txt", b"I0x10\n0" + pickled(protocol=0)), "hex.txt is a pickle"),
        (put("native.so", b"\x7fELF\x02\x01"), "native.so is of no format that is known"),
        (put("cut.txt", pickled(protocol=0)[:-1] + b"\xff\xff"), "cut.txt is a pickle"),
        (put("model.joblib", zlib.compress(pickled())), "model.joblib is compressed"),
        (put("model.gz", gzip.compress(pickled())), "model.gz is compressed"),
        (put("model.bz2", bz2.compress(pickled())), "model.bz2 is compressed"),
        (put("model.xz", lzma.compress(pickled())), "model.xz is compressed"),
        (put("model.lzma", lzma.compress(pickled(), format=lzma.FORMAT_ALONE)), "model.lzma is compressed"),
        (put("table.npy", array_file(OBJECTS)), "table.npy is an array of Python objects"),
        (put("table.npz", array_archive(OBJECTS)), "table.npz is an array of Python objects"),
        (put("model.pt2", zipped({"archive/data.pkl": pickled()})), r"model.pt2 holds a pickle \(archive/data.pkl\)"),
        (put("model.pt2", zipped({"a/data/x.pt": zipped({"x/data.pkl": pickled()})})), "model.pt2 holds a pickle"),
        (put("model.pt2", zipped({"a/data/weights/weight_0": pickled()})), "model.pt2 holds a pickle"),
        (put("other.skops", skops_of(("posix", "system"), loader="FunctionNode")), "other.skops names posix.system"),
        (put("other.skops", skops_of(("builtins", "eval"), loader="FunctionNode")), "names builtins.eval"),
        (put("other.skops", skops_of(("numpy", "load"), loader="FunctionNode")), "names numpy.load"),
        (put("other.skops", skops_of(("numpy.testing._private.utils", "runstring"))), "runstring, which isn't one"),
        (put("other.skops", skops_of(("sklearn.svm._classes", "SVC"), loader="MethodNode")), "names a method"),
        (
            put("other.skops", skops_of(("operator", "methodcaller"), loader="OperatorFuncNode")),
            "operator.methodcaller",
        ),
        (put("model.keras", keras_of(module="keras.layers", class_name="Lambda")), "has a Lambda layer"),
        (put("model.keras", keras_of(module="keras.layers", class_name="__lambda__")), "has a Lambda layer"),
        (put("model.keras", keras_of(module="os", class_name="system")), r"isn't Keras's \(os.system\)"),
        (put("model.keras", keras_of(module="keras.utils", class_name="get_file")), "isn't Keras's"),
        (put("model.keras", keras_of(module="keras.layers", class_name="TorchModuleWrapper")), "isn't Keras's"),
        (put("model.h5", b'\x89HDF\r\n\x1a\n{"class_name": "Lambda"}'), "model.h5 has a Lambda layer"),
        (put("model.h5", b'\x89HDF\r\n\x1a\n{"class_name": "\\u004cambda"}'), "model.h5 has layers of code"),
        (put("model.h5", b'\x89HDF\r\n\x1a\n{"module": "os", "class_name": "x"}'), "model.h5 has layers of code"),
        (put("data/keras_module.txt", "evil_module"), "keras_module.txt names another module"),
        (put("data/pickle_module_info.txt", "evil_module"), "pickle_module_info.txt names another module"),
        (put("model.dat", b"\x00\x01\x02\x03"), "model.dat is of no format that is known to be harmless"),
        (put("model.zip", zipped({"model.dat": b"\x00\x01"})), "model.zip holds model.dat, which is of no format"),
        (put("model.zip", b"PK\x03\x04 no zip"), "model.zip is an archive that can't be looked into"),
        (with_mlmodel(sklearn={"skops_trusted_types": ["posix.system"]}), "skops_trusted_types posix.system"),
        (with_mlmodel(sklearn={"serialization_format": "cloudpickle"}), "stored as a pickle"),
        (with_mlmodel(xgboost={"model_class": "evil.Booster"}), "xgboost.model_class evil.Booster"),
        (with_mlmodel(python_function={"predict_fn": "__reduce__"}), "predict_fn __reduce__"),
    ],
)
def test_whatever_could_be_unpickled_is_refused(
    quick: Registry, name: str, tmp_path: Path, harm: Harm, fault: str
) -> None:
    with pytest.raises(ModelError, match=f"{name}/1 isn't loaded: .*{fault}.*model.allow.pickle refuses"):
        fetch(quick, name, tmp_path / "models", harm, AllowConfig(pickle=False))
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        (put("helper.py", "import os"), "helper.py is code"),
        (
            put("deep/native.so", b"\x7fELF"),
            "native.so is code, which model.allow.code",
        ),
        (put("model.keras", keras_of(module="keras.layers", class_name="Lambda")), "has a Lambda layer"),
        (put("model.keras", keras_of(module="my.layers", class_name="Mine")), "isn't Keras's"),
        (put("model.zip", zipped({"a/helper.py": b"import os"})), r"holds a file of code \(a/helper.py\)"),
        (put("data/keras_module.txt", "evil_module"), "keras_module.txt names another module"),
        (with_mlmodel(xgboost={"model_class": "evil.Booster"}), "xgboost.model_class evil.Booster"),
        (with_mlmodel(lightgbm={"model_class": "evil.Booster"}), "lightgbm.model_class evil.Booster"),
        (with_mlmodel(tensorflow={"keras_module": "evil"}), "tensorflow.keras_module evil"),
        (with_mlmodel(python_function={"pickle_module_name": "evil"}), "pickle_module_name evil"),
        (with_mlmodel(onnx={"providers": [["QNNExecutionProvider", {"backend_path": "x.so"}]]}), "with a path"),
        (with_mlmodel(python_function={"model_code_path": ""}), "Python code of its own"),
        (with_mlmodel(python_function={"code": "helper"}), "helper is missing|Python code of its own"),
    ],
)
def test_whatever_could_bring_code_is_refused(
    quick: Registry, name: str, tmp_path: Path, harm: Harm, fault: str
) -> None:
    with pytest.raises(ModelError, match=f"{name}/1.*({fault})"):
        fetch(quick, name, tmp_path / "models", harm, AllowConfig(code=False))


def test_a_loader_of_ones_own_is_code_even_where_its_flavor_is_allowed(
    quick: Registry, name: str, tmp_path: Path
) -> None:
    harm = with_mlmodel(python_function={"loader_module": "my_company.loader"})
    with pytest.raises(ModelError, match="it brings Python code of its own, which model.allow.code refuses"):
        fetch(quick, name, tmp_path, harm, AllowConfig(flavors=("my_company.loader",), code=False))


def nothing(files: Path) -> None:
    """The model as MLflow logs it."""


def pt2() -> bytes:
    """What torch.export.save writes: its texts, raw tensors that its list names, and a checkpoint of tensors only."""
    tensors = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nctorch\nFloatStorage\n."
    listed = {"config": {"w": {"path_name": "weight_0", "use_pickle": False}}}
    return zipped(
        {
            "archive/archive_format": b"pt2",
            "archive/models/model.json": b"{}",
            "archive/data/weights/model_weights_config.json": json.dumps(listed).encode(),
            "archive/data/weights/weight_0": b"\x00\x01\xff",
            "archive/data/sample_inputs/model.pt": zipped({"m/data.pkl": tensors, "m/data/0": b"\xff\x00"}),
        }
    )


@pytest.mark.parametrize(
    "harm",
    [
        nothing,
        put("model.ubj", b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{"),
        put("model.json", '{"learner": {}}'),
        put("model.lgb", "tree\nversion=v4\nnum_class=1\n"),
        put("model.cbm", b"CBM1\x00\x00"),
        put("model.onnx", b"\x08\x0a\x12\x07skl2onnx"),
        put("model.pt2", pt2()),
        put("model.keras", keras_of(module="keras.layers", class_name="Dense", config={"name": "lambda"})),
        put("model.weights.h5", b"\x89HDF\r\n\x1a\n\x00\x01"),
        put("model.h5", b'\x89HDF\r\n\x1a\n{"module": "keras.layers", "class_name": "Dense", "module": "keras"}'),
        put("words.txt", "count\nmean\nand so on\n"),
        put("tabs.csv", "a;b\tc\n1;2\u00e4\n"),
        put("empty.bin", b""),
        put("table.npz", array_archive(np.arange(3))),
    ],
)
def test_what_is_known_to_be_harmless_passes(quick: Registry, name: str, tmp_path: Path, harm: Harm) -> None:
    assert not fetch(quick, name, tmp_path, harm, AllowConfig(pickle=False, code=False)).is_pickle


def test_code_is_no_pickle(quick: Registry, name: str, tmp_path: Path) -> None:
    """What allow.pickle's own advice says: log it as a model from code."""
    assert not fetch(quick, name, tmp_path, put("model.py", "import os"), AllowConfig(pickle=False)).is_pickle


@pytest.mark.parametrize(
    "model",
    [
        HistGradientBoostingClassifier(max_iter=3),
        RandomForestClassifier(3),
        CalibratedClassifierCV(LogisticRegression()),
        make_pipeline(FunctionTransformer(np.log1p), StandardScaler(), LogisticRegression()),
    ],
)
def test_models_that_skops_keeps_pass(quick: Registry, name: str, tmp_path: Path, model: Any) -> None:
    draw = np.random.default_rng(7).random((60, 3))
    stored = skops.io.dumps(model.fit(draw, draw[:, 0] > 0.5))
    trusted = with_mlmodel(sklearn={"skops_trusted_types": skops.io.get_untrusted_types(data=stored)})

    def replace(files: Path) -> None:
        put("model.skops", stored)(files)
        trusted(files)

    assert not fetch(quick, name, tmp_path, replace, AllowConfig(pickle=False, code=False)).is_pickle
