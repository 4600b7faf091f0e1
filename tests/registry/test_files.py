"""What MLmodel files say about loading, and what is refused because of it."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml

from brierlake.config import AllowConfig
from brierlake.registry.contents import find_pickles
from brierlake.registry.files import describe_format, find_missing, find_refusals, find_unfit, read_mlmodel
from brierlake.registry.runs import read_features


def mlmodel(loader: str, *, pyfunc: dict[str, Any] | None = None, **flavors: Any) -> dict[str, Any]:
    content = {"python_function": {"loader_module": loader, **(pyfunc or {})}, **flavors}
    return {"flavors": content, "signature": {"inputs": "[]"}}


SKOPS = mlmodel("mlflow.sklearn", sklearn={"serialization_format": "skops", "pickled_model": "model.skops"})
PICKLE = mlmodel("mlflow.sklearn", sklearn={"pickled_model": "model.pkl"})
BOOSTER = mlmodel("mlflow.lightgbm", lightgbm={"model_class": "lightgbm.basic.Booster", "data": "model.lgb"})
CLASSIFIER = mlmodel(
    "mlflow.lightgbm", lightgbm={"model_class": "lightgbm.sklearn.LGBMClassifier", "data": "model.pkl"}
)
FROM_CODE = mlmodel("mlflow.pyfunc.loaders.code_model", pyfunc={"model_code_path": "/home/me/model.py"})
PYTHON_MODEL = mlmodel("mlflow.pyfunc.model", pyfunc={"python_model": "python_model.pkl"})
CUSTOM = mlmodel("my_company.loader", pyfunc={"code": "code"})


@pytest.mark.parametrize(
    ("content", "flavor", "is_pickle", "has_code"),
    [
        (SKOPS, "sklearn", False, False),
        (PICKLE, "sklearn", True, False),
        (mlmodel("mlflow.sklearn"), "sklearn", True, False),
        (BOOSTER, "lightgbm", False, False),
        (CLASSIFIER, "lightgbm", True, False),
        (mlmodel("mlflow.xgboost", xgboost={"data": "model.ubj"}), "xgboost", False, False),
        (mlmodel("mlflow.statsmodels", statsmodels={}), "statsmodels", True, False),
        (FROM_CODE, "python_function", False, True),
        (PYTHON_MODEL, "python_function", True, False),
        (CUSTOM, "my_company.loader", False, True),
    ],
)
def test_format(content: dict[str, Any], flavor: str, is_pickle: bool, has_code: bool) -> None:  # noqa: FBT001
    described = describe_format(content)
    assert described is not None
    assert (described.flavor, described.is_pickle, described.has_code) == (flavor, is_pickle, has_code)


def test_model_without_python_function_cant_be_chosen() -> None:
    described = describe_format({"flavors": {"spark": {}}})
    assert described is None
    assert find_unfit(described, AllowConfig()) == "it has no python_function flavor"


@pytest.mark.parametrize(
    ("content", "allow", "refusal"),
    [
        (SKOPS, AllowConfig(), None),
        (PICKLE, AllowConfig(), None),
        (CUSTOM, AllowConfig(), "its flavor my_company.loader isn't one of those allowed (catboost, keras"),
        (mlmodel("mlflow.spark"), AllowConfig(), "its flavor mlflow.spark isn't one of those allowed"),
        (CUSTOM, AllowConfig(flavors=("my_company.loader",)), None),
        (
            SKOPS,
            AllowConfig(flavors=("xgboost", "onnx")),
            "its flavor sklearn isn't one of those allowed (onnx, xgboost;",
        ),
        (SKOPS, AllowConfig(flavors=("sklearn",), pickle=False, code=False), None),
        (PICKLE, AllowConfig(pickle=False), "(log it with serialization_format='skops')"),
        (PYTHON_MODEL, AllowConfig(pickle=False), "(log it as a model from code)"),
        (FROM_CODE, AllowConfig(pickle=False), None),
        (FROM_CODE, AllowConfig(code=False), "it brings Python code of its own, which model.allow.code refuses"),
    ],
)
def test_refusals(content: dict[str, Any], allow: AllowConfig, refusal: str | None) -> None:
    described = describe_format(content)
    assert described is not None
    found = find_refusals(described, allow)
    assert found == [] if refusal is None else refusal in found[0]


def test_several_refusals_are_all_listed() -> None:
    described = describe_format(PICKLE | {"flavors": PICKLE["flavors"] | {"other": {"code": "code"}}})
    assert described is not None
    assert len(find_refusals(described, AllowConfig(flavors=("onnx",), pickle=False, code=False))) == 3


@pytest.mark.parametrize("text", ["", "- a list", "flavors: text", "flavors: {sklearn: text}", "flavors: [", "\x00"])
def test_text_that_is_no_mlmodel(tmp_path: Path, text: str) -> None:
    (tmp_path / "MLmodel").write_text(text)
    assert read_mlmodel(tmp_path / "MLmodel") is None


def write_pickle(file: Path) -> None:
    file.write_bytes(pickle.dumps({"a": 1}))


def write_zip(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", b"")


@pytest.mark.parametrize(
    ("name", "write", "is_found"),
    [
        ("model.bin", write_pickle, True),
        ("deep/model.skops", write_pickle, True),
        ("model.pth", write_zip, True),
        ("model.pt2", write_zip, True),
        ("model.json", lambda file: file.write_text("{}"), False),
        ("empty.pkl", lambda file: file.write_text(""), False),
        ("PKlike.txt", lambda file: file.write_text("PK, but not a zip"), False),
    ],
)
def test_pickles_are_found_by_their_bytes(tmp_path: Path, name: str, write, is_found: bool) -> None:  # noqa: FBT001
    (tmp_path / name).parent.mkdir(exist_ok=True)
    write(tmp_path / name)
    assert find_pickles(tmp_path) == ([name] if is_found else [])


@pytest.mark.parametrize(
    ("named", "fault"),
    [
        ({"data": "model.ubj"}, "model.ubj is missing"),
        ({"data": "folder"}, "folder is empty"),
        ({"data": "../outside"}, "MLmodel names ../outside, which is outside the model"),
        ({"data": "/etc/hostname"}, "MLmodel names /etc/hostname, which is outside the model"),
        ({"artifacts": {"words": {"path": "artifacts/words.txt", "uri": "x"}}}, "artifacts/words.txt is missing"),
        ({"env": {"conda": "conda.yaml"}}, "conda.yaml is missing"),
        ({"extra_files": [{"path": "extra/words.txt"}]}, "extra/words.txt is missing"),
        ({"model_code_path": "/home/me/code.py"}, "code.py is missing"),
    ],
)
def test_what_mlmodel_names_must_be_there(tmp_path: Path, named: dict[str, Any], fault: str) -> None:
    (tmp_path / "folder").mkdir()
    assert find_missing(tmp_path, mlmodel("mlflow.xgboost", pyfunc=named)) == [fault]


def test_what_mlflow_saves_is_whole(tmp_path: Path, trained, signature) -> None:
    """Input example, code, extra files and all: the size in MLmodel and the paths fit what MLflow writes."""
    (tmp_path / "words.txt").write_text("words")
    (tmp_path / "helper.py").write_text("HELP = 1")
    mlflow.sklearn.save_model(
        trained,
        str(tmp_path / "model"),
        signature=signature,
        input_example=[[0.5, 1.5]],
        code_paths=[str(tmp_path / "helper.py")],
        extra_files=[str(tmp_path / "words.txt")],
        pip_requirements=["scikit-learn"],
    )
    content = yaml.safe_load((tmp_path / "model/MLmodel").read_text())
    assert find_missing(tmp_path / "model", content) == []
    (tmp_path / "model/extra_files/words.txt").write_text("")
    assert find_missing(tmp_path / "model", content)[0].startswith("its files hold")
    (tmp_path / "model/input_example.json").unlink()
    assert "input_example.json is missing" in find_missing(tmp_path / "model", content)


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([{"features": "a, b ,c"}], ("a", "b", "c")),
        ([{"features": '["a", "b"]'}], ("a", "b")),
        ([{"features": "['a', 'b']"}], ("a", "b")),
        ([{"features": "('a', 'b')"}], ("a", "b")),
        ([{"features": "['a', 'b"}], ()),
        ([{"features": "[1, 2]"}], ()),
        ([{"features": '{"a": 1}'}], ()),
        ([{"features": ""}, {"features": "b"}], ("b",)),
        ([{"features": "a"}, {"brierlake.features": "b"}], ("b",)),
        ([], ()),
    ],
)
def test_feature_lists(places: list[dict[str, str]], expected: tuple[str, ...]) -> None:
    assert read_features(*places) == expected
