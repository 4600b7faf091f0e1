"""Two versions that bring modules of the same names answer each with its own code, in one process and in one worker."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from pyspark.sql import DataFrame, SparkSession
from tests.model.conftest import advice_aside

from brierlake.model import Contract, prepare_adapter
from brierlake.model.adapter import Adapter

INPUTS = pd.DataFrame({"a": [0.25, 0.5, 1.0]})
LOADER = """
    import importlib, pathlib, sys

    class Model:
        def predict(self, rows, params=None):
            {imports}
            return (rows["a"] * {value}).to_numpy()

    def _load_pyfunc(data_path):
        {loading}
        return Model()
"""
FROM_CODE = """
    import mlflow
    from odd_helpers import FACTOR

    class Model(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return (model_input["a"] * FACTOR).to_numpy()

    mlflow.models.set_model(Model())
"""
Saving = Callable[..., Path]
Loading = Callable[..., Adapter]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text), encoding="utf-8")
    return path


def save_loader(path: Path, sources: Path, *, factor: float, imports: str, value: str, loading: str = "pass") -> None:
    """A model whose loader comes with it; its value hangs on modules that are written for it, lazily or not."""
    loader = write(sources / "odd_loader.py", LOADER.format(imports=imports, value=value, loading=loading))
    said = f"FACTOR = {factor}\n"
    helpers = write(sources / "odd_helpers.py", said)
    package = write(sources / "odd_package" / "deep" / "inner.py", said).parents[1]
    write(package / "__init__.py", "")
    write(package / "deep" / "__init__.py", "from odd_package.deep.inner import FACTOR")
    bare = write(sources / "odd_bare" / "within.py", said).parent
    by_hand = write(sources / "data" / "by_hand" / "odd_by_hand.py", said).parents[1]
    mlflow.pyfunc.save_model(
        str(path),
        loader_module="odd_loader",
        data_path=str(by_hand),
        code_paths=[str(each) for each in (loader, helpers, package, bare)],
        signature=infer_signature(INPUTS),
        pip_requirements=["pandas"],
    )


def save_from_code(path: Path, sources: Path, *, factor: float) -> None:
    helpers, model = write(sources / "odd_helpers.py", f"FACTOR = {factor}\n"), write(sources / "odd.py", FROM_CODE)
    sys.path.insert(0, str(sources))
    try:
        mlflow.pyfunc.save_model(
            str(path),
            python_model=str(model),
            code_paths=[str(helpers)],
            signature=infer_signature(INPUTS),
            pip_requirements=["pandas"],
        )
    finally:
        sys.path.remove(str(sources))
        sys.modules.pop("odd_helpers", None)


BY_HAND = "sys.path.insert(0, str(pathlib.Path(data_path) / 'by_hand')); import odd_by_hand"
KINDS: dict[str, dict[str, str] | None] = {
    "a module": {"imports": "import odd_helpers", "value": "odd_helpers.FACTOR"},
    "a package": {"imports": "import odd_package.deep", "value": "odd_package.deep.FACTOR"},
    "a part imported late": {"imports": "from odd_package.deep import inner", "value": "inner.FACTOR"},
    "a folder without init": {"imports": "from odd_bare import within", "value": "within.FACTOR"},
    "by name": {"imports": "", "value": "importlib.import_module('odd_bare.within').FACTOR"},
    "a path of its own": {"imports": "import odd_by_hand", "value": "odd_by_hand.FACTOR", "loading": BY_HAND},
    "a model from code": None,
}


@pytest.fixture
def saving(tmp_path: Path) -> Saving:
    def saved(kind: str, *, factor: float) -> Path:
        path, sources, settings = tmp_path / f"model {factor}", tmp_path / f"sources {factor}", KINDS[kind]
        with advice_aside():
            if settings is None:
                save_from_code(path, sources, factor=factor)
            else:
                save_loader(path, sources, factor=factor, **settings)
        return path

    return saved


@pytest.fixture
def loading(tmp_path: Path) -> Loading:
    def loaded(path: Path) -> Adapter:
        contract = Contract(("a",), ("float64",), (), "columns")
        folder = tmp_path / f"prepared {path.name}"
        prepared = folder / "adapter"
        if not folder.exists():
            folder.mkdir()
            prepare_adapter(path, digest=str(path), contract=contract, positive_class=1, folder=folder)
        adapter: Adapter = mlflow.pyfunc.load_model(str(prepared)).get_raw_model()
        return adapter

    return loaded


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """Whatever a test does, the process is as it was: no module and no path of a model, no lasting finder."""
    modules, finders = set(sys.modules), list(sys.meta_path)
    yield
    left = {name for name in set(sys.modules) - modules if name.startswith("odd")}
    for name in left:
        del sys.modules[name]
    assert not left
    assert sys.meta_path == finders


def factor_of(adapter: Adapter) -> Any:
    probability, issue = adapter.with_issues(INPUTS.set_axis(["0"], axis=1))
    assert set(issue) == {""}
    return probability[2]


@pytest.mark.parametrize("kind", KINDS)
def test_each_version_runs_its_own_code(saving: Saving, loading: Loading, kind: str) -> None:
    champion, challenger = loading(saving(kind, factor=0.5)), loading(saving(kind, factor=0.25))
    assert [factor_of(each) for each in (champion, challenger, champion)] == [0.5, 0.25, 0.5]
    assert [factor_of(each) for each in (challenger, champion)] == [0.25, 0.5]
    assert not [each for each in sys.path if "/model/code" in each]


@pytest.mark.parametrize("kind", KINDS)
def test_modules_of_the_same_name_in_the_process_are_neither_used_nor_lost(
    saving: Saving, loading: Loading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """What another job left, or the environment has: as modules, and as a path where a package goes first."""
    elsewhere = tmp_path / "elsewhere"
    for name in ("odd_helpers", "odd_package", "odd_bare", "odd_by_hand", "odd_loader"):
        write(elsewhere / name / "__init__.py", "FACTOR = 0.125")
    paths = [saving(kind, factor=factor) for factor in (0.5, 0.25)]
    monkeypatch.syspath_prepend(elsewhere)
    adapter = loading(paths[0])
    assert factor_of(adapter) == 0.5
    import odd_helpers  # noqa: PLC0415
    import odd_package  # noqa: PLC0415

    assert factor_of(adapter) == 0.5
    assert sys.modules["odd_helpers"] is odd_helpers
    assert sys.modules["odd_package"] is odd_package
    assert factor_of(loading(paths[1])) == 0.25
    assert odd_package.FACTOR == odd_helpers.FACTOR == 0.125
    del sys.modules["odd_helpers"], sys.modules["odd_package"]


def test_a_model_that_carries_our_own_libraries_runs_with_those_of_the_process(
    tmp_path: Path, loading: Loading
) -> None:
    copy = write(tmp_path / "numpy" / "__init__.py", "raise RuntimeError('a second numpy')").parent
    loader = write(tmp_path / "odd_loader.py", LOADER.format(imports="import numpy", value="0.5", loading="pass"))
    with advice_aside():
        mlflow.pyfunc.save_model(
            str(tmp_path / "model 0.5"),
            loader_module="odd_loader",
            code_paths=[str(copy), str(loader)],
            signature=infer_signature(INPUTS),
            pip_requirements=["pandas"],
        )
    assert factor_of(loading(tmp_path / "model 0.5")) == 0.5
    assert sys.modules["numpy"] is np


def test_a_model_from_code_that_sets_none_isnt_answered_with_the_one_before(saving: Saving, loading: Loading) -> None:
    first, second = saving("a model from code", factor=0.5), saving("a model from code", factor=0.25)
    file = second / "odd.py"
    file.write_text(file.read_text(encoding="utf-8").replace("mlflow.models.set_model(Model())", ""), encoding="utf-8")
    assert factor_of(loading(first)) == 0.5
    with pytest.raises(mlflow.MlflowException, match="ensure the model is set using"):
        loading(second)


def test_a_worker_lets_go_of_a_model_whose_folder_is_gone(saving: Saving, loading: Loading, tmp_path: Path) -> None:
    """A second job with the same version: what the first hadn't imported yet is found in the second's folder."""
    path = saving("a module", factor=0.5)
    first = loading(path)
    (tmp_path / f"prepared {path.name}").rename(tmp_path / "gone")
    second = loading(path)
    assert second is not first
    assert factor_of(second) == 0.5
    assert loading(path) is second


def test_models_used_last_are_kept(save_python: Saving, loading: Loading) -> None:
    paths = [save_python(lambda rows, k=k: rows["a"] * k, INPUTS, name=f"model 0.{k}") for k in range(3)]
    first, second = loading(paths[0]), loading(paths[1])
    assert loading(paths[0]) is first
    loading(paths[2])
    assert loading(paths[0]) is first
    assert loading(paths[1]) is not second


def test_workers_run_each_versions_own_code(
    spark: SparkSession, saving: Saving, predictions_of: Callable[..., pd.DataFrame]
) -> None:
    rows: DataFrame = spark.createDataFrame(INPUTS.assign(id=range(3)))
    champion, challenger = saving("a part imported late", factor=0.5), saving("a part imported late", factor=0.25)
    left = mlflow.pyfunc.spark_udf(spark, str(saving("a module", factor=0.125)), env_manager="local")
    assert rows.select(left("a").alias("p")).toPandas()["p"].tolist() == [0.03125, 0.0625, 0.125]
    for path, factor in ((champion, 0.5), (challenger, 0.25), (champion, 0.5)):
        predictions = predictions_of(path, rows)
        np.testing.assert_array_equal(predictions["probability"], INPUTS["a"] * factor)
