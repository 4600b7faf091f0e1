import platform
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from pyspark.sql import SparkSession

from brierlake.errors import ContractError
from brierlake.model import (
    Difference,
    Differences,
    compare_environment,
    describe_differences,
    read_environment,
    validate_environment,
)
from brierlake.model.environment import meets

NUMPY = version("numpy")
PYTHON = ".".join(platform.python_version().split(".")[:2])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "requirements.txt").write_text(
        f"""\
# what MLflow and people write
mlflow=={version("mlflow")}
numpy<1  # an old one
pandas>=1.0
no-such-package==1.0
scikit-learn=={version("scikit-learn")}; python_version > "3"
pywin32==1; sys_platform == "win32"
pyarrow[extra]>=1 --hash=sha256:abc
-c constraints.txt
--extra-index-url https://example.invalid
torch @ https://example.invalid/torch-2.13.0.whl
git+https://example.invalid/library.git
./local-1.0-py3-none-any.whl

""",
        encoding="utf-8",
    )
    (tmp_path / "python_env.yaml").write_text("python: 3.9.1\n", encoding="utf-8")
    return tmp_path


def test_a_models_requirements_are_read(model: Path) -> None:
    required = read_environment(model)
    assert [each.name for each in required.requirements] == [
        "mlflow", "numpy", "pandas", "no-such-package", "scikit-learn", "pyarrow",
    ]  # fmt: skip
    assert required.python == "3.9.1"
    assert required.unparsed == (
        "torch @ https://example.invalid/torch-2.13.0.whl",
        "git+https://example.invalid/library.git",
        "./local-1.0-py3-none-any.whl",
    )


def test_differences_from_driver_and_executors_are_found(spark: SparkSession, model: Path) -> None:
    differences = compare_environment(read_environment(model), spark=spark)
    assert differences.packages == (
        Difference("python", "==3.9.*", platform.python_version(), platform.python_version()),
        Difference("numpy", "<1", NUMPY, NUMPY),
        Difference("no-such-package", "==1.0", None, None),
    )
    assert len(differences.unparsed) == 3


def test_what_fits_is_no_difference(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(f"numpy=={NUMPY}\n", encoding="utf-8")
    (tmp_path / "python_env.yaml").write_text(f"python: {PYTHON}.99\n", encoding="utf-8")
    assert compare_environment(read_environment(tmp_path), spark=spark) == Differences((), ())


def test_conda_files_are_read_where_there_is_no_requirements_file(tmp_path: Path) -> None:
    content = "dependencies:\n- python=3.11\n- pip:\n  - mlflow==3.1\n  - scipy\n"
    (tmp_path / "conda.yaml").write_text(content, encoding="utf-8")
    assert [str(each) for each in read_environment(tmp_path).requirements] == ["mlflow==3.1", "scipy"]


def test_a_model_without_requirements_asks_for_nothing(tmp_path: Path) -> None:
    required = read_environment(tmp_path)
    assert (required.requirements, required.python, required.unparsed) == ((), None, ())


@pytest.mark.parametrize(
    ("line", "installed", "is_met"),
    [
        ("torch==2.13.0+cpu", "2.13.0", True),
        ("torch==2.13.0", "2.13.0+cpu", True),
        ("torch==2.13.0+cpu", "2.13.1", False),
        ("torch>=2,<3", "2.14.0.dev1", True),
        ("torch", "1", True),
        ("torch", None, False),
        ("torch==2", "not a version", False),
    ],
)
def test_versions_are_compared_without_their_build(line: str, installed: str | None, is_met: bool) -> None:  # noqa: FBT001
    assert meets(Requirement(line), installed) is is_met


DIFFERENT = Differences((Difference("numpy", "<1", "2.0", "2.1"), Difference("lightgbm", "", None, None)), ("a line",))


def test_differences_are_shown_as_a_table() -> None:
    packages = (Difference("numpy", "<1", "2.4.6", None), Difference("no-such-package", "", None, None))
    assert describe_differences(Differences(packages, ("git+https://example.invalid/library.git",))) == [
        "package          the model asks for  driver  executors",
        "numpy            <1                  2.4.6   none",
        "no-such-package  any                 none    none",
        "Can't be compared: git+https://example.invalid/library.git",
    ]
    assert describe_differences(Differences((), ())) == []


def test_strict_refuses_with_all_packages() -> None:
    with pytest.raises(ContractError) as raised:
        validate_environment(DIFFERENT, mode="strict")
    assert "numpy: the model asks for <1, the driver has 2.0, executors 2.1" in str(raised.value)
    assert "lightgbm: the model asks for any, the driver has none, executors none" in str(raised.value)
    assert "scoring.environment" in str(raised.value)


@pytest.mark.parametrize("mode", ["warn", "ignore"])
def test_other_modes_pass(mode: str) -> None:
    validate_environment(DIFFERENT, mode=mode)


def test_strict_passes_what_fits() -> None:
    validate_environment(Differences((), ("git+https://example.invalid",)), mode="strict")
