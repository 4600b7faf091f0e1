"""What a job is told: one YAML file, as frozen models. Impossible combinations are refused when they are made."""

from brierlake.config.data import FeaturesConfig, Label, LabelsConfig, LakehouseConfig, TableNames
from brierlake.config.job import Config, MlflowConfig, ReportConfig, SessionConfig
from brierlake.config.judging import (
    AUTO,
    LABEL_FREE,
    ChallengerConfig,
    DecisionConfig,
    DiagnosticsConfig,
    GateConfig,
    PromotionConfig,
    ReferenceWindow,
)
from brierlake.config.models import AllowConfig, ModelConfig, Rule, ScoringConfig

__all__ = [
    "AUTO",
    "LABEL_FREE",
    "AllowConfig",
    "ChallengerConfig",
    "Config",
    "DecisionConfig",
    "DiagnosticsConfig",
    "FeaturesConfig",
    "GateConfig",
    "Label",
    "LabelsConfig",
    "LakehouseConfig",
    "MlflowConfig",
    "ModelConfig",
    "PromotionConfig",
    "ReferenceWindow",
    "ReportConfig",
    "Rule",
    "ScoringConfig",
    "SessionConfig",
    "TableNames",
]
