"""Champions: the models now deployed, with which those that want their place are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from pytest_modelgate.adapters.evidence.store import EvidenceStore
from pytest_modelgate.adapters.meanings import Meanings, declared_meanings
from pytest_modelgate.adapters.policy_format import PolicyFile, PolicyFormat, read_policy
from pytest_modelgate.adapters.promotion import Promoted, Target
from pytest_modelgate.adapters.verdict.reader import read_verdict
from pytest_modelgate.core.backtest.attribution import BarAttribution
from pytest_modelgate.core.config.settings import Settings
from pytest_modelgate.core.evidence.records import WindowEvidence, WindowFailure
from pytest_modelgate.core.market.windows import Window
from pytest_modelgate.core.policy.mlp import Policy
from pytest_modelgate.core.training.run import Declared
from pytest_modelgate.digest import json_sha256
from pytest_modelgate.errors import CheckpointError, GateError, SettingsError

_OPTION = "--gate-champion"
_EVIDENCE = "evidence"


@dataclass(frozen=True)
class Champion:
    """One deployed model.

    Attributes:
        sha256: of its checkpoint.
        file: the checkpoint; None where only a verdict and its evidence are known.
        feature_set, activation: as it was judged.
        declared: what its numbers mean, and how account features were fed, as it was judged.
        bar_origin: as of ``MarketEvidence``, of the bars it was judged on; unknown where the file is not known.
        normaliser: file with the statistics of its observations, and its sha256; None where it has none, or the file is
            not known.
        evidence: of the run that judged it; None where the file is known.
        verdict: digest of that run's verdict, which names its capital and account mode; None where the file is known.
    """

    model: str
    sha256: str
    file: Path | None
    feature_set: str | None
    activation: str | None
    evidence: EvidenceStore | None = None
    verdict: str | None = None
    declared: Declared = field(default_factory=Declared)
    bar_origin: str = ""
    normaliser: tuple[Path, str] | None = None

    @property
    def digest(self) -> str:
        """Digest of all that a comparison with it depends on."""
        said = [*self.declared.meanings, self.declared.account_mode, *([self.bar_origin] if self.bar_origin else [])]
        said += [self.normaliser[1]] if self.normaliser else []
        return json_sha256([self.sha256, self.feature_set, self.activation, self.verdict, said])

    def check_bars(self, bar_origin: str) -> None:
        """Refuse to have it trade bars that begin at other hours than those it was judged on.

        Args:
            bar_origin: of the bars, as of ``MarketEvidence``.

        Raises:
            CheckpointError: they do.
        """
        if bar_origin != self.bar_origin:
            theirs, ours = (f"at {origin}" if origin else "as Alpaca's do" for origin in (self.bar_origin, bar_origin))
            problem = f"was judged on bars that begin {theirs}, and these begin {ours}"
            remedy = "Compare models of one origin of bars, or judge without --gate-champion"
            raise CheckpointError(f"{_OPTION}, model {self.model}", problem, remedy)

    def load(self, settings: Settings, formats: Sequence[PolicyFormat]) -> tuple[Policy, str]:
        """Its policy and the name of its feature set.

        Args:
            formats: of model files.

        Raises:
            CheckpointError: the checkpoint cannot be used.
        """
        assert self.file
        file = PolicyFile(
            self.file,
            self.file.name,
            f"deployed checkpoint {self.file.name}",
            self.declared,
            {self.normaliser[0].name: self.normaliser[0]} if self.normaliser else {},
            (),
            self.activation,
            self.feature_set,
            trainer_packages=settings.trainer_packages,
        )
        loaded = read_policy(formats, file)
        return loaded.policy, loaded.feature_set

    def attributions(self, folds: Sequence[Window], bars_sha256: str) -> list[BarAttribution]:
        """Its attribution in each fold, as its own run measured it.

        Raises:
            CheckpointError: that run judged other bars or windows, or its evidence is gone.
        """
        assert self.evidence
        attributions = []
        for fold in folds:
            known = self.evidence.read(self.model, fold.name)
            where = f"{_OPTION}, model {self.model}"
            remedy = "Judge the deployed archive anew with the same --gate-as-of, or name the folder of a promotion"
            if isinstance(known, WindowFailure):
                raise CheckpointError(where, f"{known.where}: {known.problem}", remedy)
            if (
                not isinstance(known, WindowEvidence)
                or (known.start, known.end) != (fold.start.isoformat(), fold.end.isoformat())
                or (known.market.sha256, known.checkpoint.sha256) != (bars_sha256, self.sha256)
            ):
                problem = f"there is no evidence of {fold.name} on these very bars beside the verdict"
                raise CheckpointError(where, problem, remedy)
            attributions.append(known.bars.attribution())
        return attributions


@dataclass(frozen=True)
class Champions:
    """All that is deployed.

    Attributes:
        digest: of the promotion or the verdict that says so.
    """

    by_model: Mapping[str, Champion]
    digest: str

    @property
    def digests(self) -> dict[str, str]:
        """Digest of each deployed model, by its id."""
        return {model: champion.digest for model, champion in self.by_model.items()}


def deployed(path: Path) -> Path:
    """What is deployed; of a folder that a run left, or a workflow's artifact of one, the verdict in it."""
    verdict = path / "verdict.json"
    return verdict if verdict.is_file() and not (path / "promotion.json").exists() else path


def champion_files(path: Path) -> tuple[Path, tuple[str, ...]]:
    """The files that ``read_champions`` and the comparison read.

    Returns:
        A folder, and their names relative to it, with slashes.

    Raises:
        SettingsError: as of ``read_champions``.
    """
    try:
        if path.is_dir():
            return path, Target(path).names()
        run = path.parent / _EVIDENCE / read_verdict(path).run.get("id", "")
    except GateError as error:
        raise SettingsError(f"{_OPTION}, {error.where}", error.problem, error.remedy) from None
    records = sorted(run.glob("*.json"))
    return path.parent, (path.name, *(record.relative_to(path.parent).as_posix() for record in records))


def read_champions(path: Path) -> Champions:
    """Read the folder of a promotion, or a verdict beside the evidence of its run.

    Raises:
        SettingsError: nothing was promoted there, or something was altered since.
    """
    try:
        return _of_folder(path) if path.is_dir() else _of_verdict(path)
    except SettingsError:
        raise
    except GateError as error:
        raise SettingsError(f"{_OPTION}, {error.where}", error.problem, error.remedy) from None


def _of_folder(path: Path) -> Champions:
    target = Target(path)
    record = target.record()
    if record is None:
        problem = "holds no promotion.json"
        raise SettingsError(f"{_OPTION} {path}", problem, "Name a folder that modelgate promote wrote, or a verdict")
    whole = target.of_set(record.set)
    by_model = {
        model.id: Champion(
            model.id,
            model.sha256,
            target.path_of(model),
            model.feature_set,
            model.activation,
            declared=_declared(model),
            bar_origin=model.bar_origin or "",
            normaliser=_normaliser(target, model),
        )
        for model in (whole.models if whole else ())
    }
    return Champions(by_model, record.digest)


def _normaliser(target: Target, model: Promoted) -> tuple[Path, str] | None:
    if model.normaliser is None or model.normaliser_sha256 is None:
        return None
    return target.path_of(model).with_name(model.normaliser), model.normaliser_sha256


def _declared(model: Promoted) -> Declared:
    try:
        meanings = declared_meanings(Meanings.model_validate(model.meanings or {}))
        return Declared(**meanings, account_mode=model.account_mode)
    except ValidationError:
        problem = "its meanings are none that this version understands"
        raise SettingsError(f"{_OPTION}, model {model.id}", problem, "Promote it anew with this version") from None


def _of_verdict(path: Path) -> Champions:
    verdict = read_verdict(path)
    store = EvidenceStore(path.parent / _EVIDENCE, verdict.run.get("id", ""))
    by_model = {
        model.id: Champion(model.id, model.checkpoint.sha256, None, None, None, store, verdict.digest)
        for model in verdict.models
        if model.checkpoint and model.checkpoint.sha256 and model.folds
    }
    return Champions(by_model, verdict.digest)
