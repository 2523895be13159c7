from .adapters.archive import ModelArtifact
from .adapters.config_files.profiles import load_profile
from .adapters.policy_format import LoadedPolicy, PolicyFile, PolicyFormat
from .core.backtest.metrics import FoldResult, Metrics
from .core.backtest.rules import TradingRules, rules_for
from .core.config.decision_level import DecisionLevel
from .core.config.profiles import Profile
from .core.config.settings import Settings
from .core.config.waivers import Waiver
from .core.decision.backtest_sanity import Sanity
from .core.decision.caps import Cap
from .core.decision.context import Context
from .core.decision.decision import Decision
from .core.decision.judgement import Judgement
from .core.decision.proof import Proof
from .core.decision.robustness import Robustness
from .core.evidence.records import (
    ChampionEvidence,
    CheckpointEvidence,
    Evidence,
    IntegrityEvidence,
    MarketEvidence,
    WindowEvidence,
    WindowFailure,
)
from .core.features.feature_set import FeatureSet
from .core.features.reference import REFERENCE
from .core.integrity.check import Check
from .core.market.bars import AssetClass, Bars, Instrument, Timeframe
from .core.market.quality import Quality
from .core.market.requests import MarketRequest
from .core.market.session_opens import opens_request
from .core.market.windows import TrainingWindow, Window, market_window, walk_forward_windows
from .core.planning.plan import ModelPlan
from .core.policy.account_features import AccountFeature, Encoding
from .core.policy.actions import CLOSE, HOLD, Order, Target
from .core.policy.generations import GENERATIONS, Generation, generation_of
from .core.policy.layer_norm import LayerNorm
from .core.policy.mlp import MlpPolicy, Policy
from .core.policy.normaliser import Normaliser
from .core.statistics.fold_spread import Spread
from .core.statistics.paired_comparison import Comparison
from .core.statistics.validation_metrics import validation_metrics
from .core.training.gating import Classification, Flag, Gating
from .core.training.run import CheckpointRef, Declared, DeclaredFeature, ParityProbe, TrainedModel
from .core.watching.evidence import DayFigures, FeeFigures, WatchedOrder, WatchEvidence
from .core.watching.judging import Finding, WatchCase
from .core.watching.order_ids import OrderId, order_id, parse_order_id
from .errors import (
    AccountError,
    ArchiveError,
    CheckpointError,
    GateError,
    MarketDataError,
    PromotionError,
    SettingsError,
)
from .services.market_data import recorded_bars
from .services.packing import pack_checkpoint, write_archive
from .services.recording import Recorder

__all__ = [
    "CLOSE",
    "GENERATIONS",
    "HOLD",
    "REFERENCE",
    "AccountError",
    "AccountFeature",
    "ArchiveError",
    "AssetClass",
    "Bars",
    "Cap",
    "ChampionEvidence",
    "Check",
    "CheckpointError",
    "CheckpointEvidence",
    "CheckpointRef",
    "Classification",
    "Comparison",
    "Context",
    "DayFigures",
    "Decision",
    "DecisionLevel",
    "Declared",
    "DeclaredFeature",
    "Encoding",
    "Evidence",
    "FeatureSet",
    "FeeFigures",
    "Finding",
    "Flag",
    "FoldResult",
    "GateError",
    "Gating",
    "Generation",
    "Instrument",
    "IntegrityEvidence",
    "Judgement",
    "LayerNorm",
    "LoadedPolicy",
    "MarketDataError",
    "MarketEvidence",
    "MarketRequest",
    "Metrics",
    "MlpPolicy",
    "ModelArtifact",
    "ModelPlan",
    "Normaliser",
    "Order",
    "OrderId",
    "ParityProbe",
    "Policy",
    "PolicyFile",
    "PolicyFormat",
    "Profile",
    "PromotionError",
    "Proof",
    "Quality",
    "Recorder",
    "Robustness",
    "Sanity",
    "Settings",
    "SettingsError",
    "Spread",
    "Target",
    "Timeframe",
    "TradingRules",
    "TrainedModel",
    "TrainingWindow",
    "Waiver",
    "WatchCase",
    "WatchEvidence",
    "WatchedOrder",
    "Window",
    "WindowEvidence",
    "WindowFailure",
    "generation_of",
    "load_profile",
    "market_window",
    "opens_request",
    "order_id",
    "pack_checkpoint",
    "parse_order_id",
    "recorded_bars",
    "rules_for",
    "validation_metrics",
    "walk_forward_windows",
    "write_archive",
]
