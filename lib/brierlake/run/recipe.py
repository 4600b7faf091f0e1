"""Recipes: hashes of everything that decides a probability, or a figure, apart from the rows."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from brierlake.config import Config, DiagnosticsConfig, FeaturesConfig, LabelsConfig
from brierlake.lakehouse.classes import negatives
from brierlake.lakehouse.tables import Pin
from brierlake.registry import Resolution

_SCORING, _DIAGNOSING = 1, 2
"""Raised where the same settings give other probabilities, or other figures, than an earlier release gave."""


def compute_recipe(config: Config, *, resolution: Resolution, pin: Pin) -> str:
    """Return 16 hex digits. Known before the model is fetched: a version's files don't change under its number.

    Names the model, not the way to its server: a registry that has moved holds the same versions.
    """
    return _hashed(_deciding(config, resolution=resolution, pin=pin))


def former_recipes(config: Config, *, resolution: Resolution, pin: Pin) -> tuple[str, ...]:
    """Return the same as earlier releases wrote it: with the registry's address."""
    address = config.mlflow.registry_uri or config.mlflow.tracking_uri
    return (_hashed({**_deciding(config, resolution=resolution, pin=pin), "registry": address}),)


def _deciding(config: Config, *, resolution: Resolution, pin: Pin) -> dict[str, Any]:
    source = next((each.source for each in resolution.candidates if each.is_selected), None)
    features = config.features
    return {
        "model": [resolution.model_name, resolution.model_version, source],
        "positive_class": config.model.positive_class,
        "features_id": pin.table_id,
        "features": features.columns or resolution.features,
        "key": features.key,
        "event_at": features.event_at,
        "window": [features.window, features.window_column],
        "carry": features.carry,
        "where": features.where,
        "format": _SCORING,
    }


def compute_diagnostics_recipe(
    diagnostics: DiagnosticsConfig, features: FeaturesConfig, labels: LabelsConfig | None, *, threshold: float | None
) -> str:
    """Return 16 hex digits of every setting that decides a figure; the labels' table and version stand beside it."""
    deciding = {
        "slices": sorted(diagnostics.slices),
        "slice_grain": diagnostics.slice_grain if diagnostics.slices else None,
        "reference": diagnostics.model_dump(mode="json")["reference"],
        "cluster": diagnostics.cluster,
        "reference_windows": diagnostics.reference_windows,
        "level": diagnostics.level,
        "labels": labels
        and {
            "key": labels.key or features.key,
            "outcome": labels.outcome,
            "known_at": labels.known_at,
            "positive": labels.positive,
            "negative": sorted(map(repr, negatives(labels))),
        },
        "format": _DIAGNOSING,
        **({} if threshold is None else {"threshold": threshold}),
    }
    return _hashed(deciding)


def _hashed(deciding: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(deciding, sort_keys=True, default=str).encode()).hexdigest()[:16]
