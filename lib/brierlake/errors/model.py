"""No version can be chosen, fetched or trusted."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Self

from brierlake.errors.base import BrierlakeError, listed, nearest


class ModelError(BrierlakeError):
    """No version could be chosen, or the chosen one can't be fetched or trusted."""

    exit_code = 3

    @classmethod
    def no_database(cls, path: str, reason: str) -> Self:
        return cls(
            f"There is no MLflow database in {path} ({reason}). Check mlflow.tracking_uri and mlflow.registry_uri."
        )

    @classmethod
    def unreachable(cls, uri: str, reason: str) -> Self:
        return cls(f"MLflow at {uri} {reason}. Check mlflow.tracking_uri and that the server is up.")

    @classmethod
    def no_login(cls, uri: str) -> Self:
        return cls(
            f"MLflow at {uri} doesn't accept the credentials (401). Set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."
        )

    @classmethod
    def web_page(cls, uri: str) -> Self:
        return cls(
            f"MLflow at {uri} answered with a web page (a sign-in page?) instead of its API. Check "
            "mlflow.tracking_uri, and sign in with MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD."
        )

    @classmethod
    def forbidden(cls, action: str, uri: str, *, needs: str = "READ") -> Self:
        return cls(
            f"MLflow at {uri} doesn't let this user {action} (403). Ask for {needs} permission, or use another user."
        )

    @classmethod
    def failed(cls, action: str, uri: str, reason: str) -> Self:
        return cls(f"MLflow at {uri} could not {action}: {reason}")

    @classmethod
    def no_model(cls, name: str, known: Iterable[str]) -> Self:
        names = list(known)
        return cls(f"There is no registered model {name!r}.{nearest(name, names)} There are: {listed(names)}.")

    @classmethod
    def no_versions(cls, names: Sequence[str]) -> Self:
        return cls(
            f"No version is registered under {listed(names)}. Register one, for example with `brierlake register`."
        )

    @classmethod
    def no_version(cls, name: str, version: str, known: Iterable[int]) -> Self:
        there = ", ".join(str(number) for number in sorted(known)[-20:]) or "none"
        return cls(f"There is no version {version} of model {name!r} (deleted?). Its versions are: {there}.")

    @classmethod
    def no_alias(cls, name: str, alias: str, known: Iterable[str]) -> Self:
        there = list(known)
        return cls(f"Model {name!r} has no alias {alias!r}.{nearest(alias, there)} Its aliases are: {listed(there)}.")

    @classmethod
    def not_ready(cls, uri: str, status: str) -> Self:
        return cls(
            f"{uri} has the status {status}, and only READY versions can be scored. Pin another, or register it again."
        )

    @classmethod
    def other_class(cls, uri: str, fitted: object, wanted: object) -> Self:
        return cls(
            f"{uri} recalibrates the probability of {fitted!r}, and model.positive_class asks for that of {wanted!r}. "
            "Pin the version inside, or recalibrate anew."
        )

    @classmethod
    def is_recalibrated(cls, uri: str, inner: str) -> Self:
        return cls(
            f"{uri} is itself a recalibration of {inner}, and maps aren't stacked: recalibrate that one again, with "
            f"--model {inner}."
        )

    @classmethod
    def replaced(cls, uri: str) -> Self:
        return cls(
            f"{uri} isn't the version any more that was chosen a moment ago: its model was made anew. Run again."
        )

    @classmethod
    def no_eligible(cls, names: Sequence[str], metric: str, reasons: Mapping[str, int], metrics: Iterable[str]) -> Self:
        counted = "; ".join(
            f"{count} x {reason}" for reason, count in sorted(reasons.items(), key=lambda each: (-each[1], each[0]))
        )
        there = set(metrics) - {metric}
        hint = f"{nearest(metric, there)} Their runs hold: {listed(there)}." if metric not in metrics else ""
        total = sum(reasons.values())
        return cls(f"None of the {total} versions of {listed(names)} can be chosen by {metric}: {counted}.{hint}")

    @classmethod
    def incomplete(cls, uri: str, faults: Sequence[str]) -> Self:
        return cls(
            f"The files of {uri} aren't whole: {'; '.join(faults)}. Restore them in the artifact store, "
            "or register the model again."
        )

    @classmethod
    def untrusted(cls, uri: str, faults: Sequence[str]) -> Self:
        return cls(f"{uri} isn't loaded: {'; '.join(faults)}.")

    @classmethod
    def other_digest(cls, uri: str, *, expected: str, found: str) -> Self:
        return cls(
            f"{uri} has the digest {found}, and model.digest asks for {expected}. Find out why its files differ; "
            "set model.digest to the new one only if you trust them."
        )

    @classmethod
    def no_experiment(cls, name: str, known: Iterable[str]) -> Self:
        names = list(known)
        return cls(f"There is no experiment {name!r}.{nearest(name, names)} There are: {listed(names)}.")

    @classmethod
    def bad_template(cls, template: str, reason: str) -> Self:
        return cls(f"The model name {template!r} {reason}. It may hold {{model}}, {{params.x}} and {{tags.x}}.")
