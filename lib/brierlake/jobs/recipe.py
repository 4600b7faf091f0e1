"""The recipe: a hash of everything that decides a probability apart from the rows."""

import hashlib
import json

from brierlake.config import Config
from brierlake.lakehouse.tables import Pin
from brierlake.registry import Resolution
from brierlake.schemas import FORMAT_VERSION


def compute_recipe(config: Config, *, resolution: Resolution, pin: Pin) -> str:
    """Returns 16 hex digits. Known before the model is fetched: a version's files don't change under its number."""
    source = next((each.source for each in resolution.candidates if each.is_selected), None)
    features = config.features
    deciding = {
        "registry": config.mlflow.registry_uri or config.mlflow.tracking_uri,
        "model": [resolution.model_name, resolution.model_version, source],
        "positive_class": config.model.positive_class,
        "features_id": pin.table_id,
        "features": features.columns or resolution.features,
        "key": features.key,
        "event_at": features.event_at,
        "window": [features.window, features.window_column],
        "carry": features.carry,
        "where": features.where,
        "format": FORMAT_VERSION,
    }
    return hashlib.sha256(json.dumps(deciding, sort_keys=True, default=str).encode()).hexdigest()[:16]
