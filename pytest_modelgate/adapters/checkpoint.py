"""From a .pt file to a policy, without ever running what the file says. The only file that imports torch."""

from __future__ import annotations

import pickletools
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pytest_modelgate.core.policy import ACTIONS, ACTIVATIONS, MlpPolicy
from pytest_modelgate.core.training_run import Declared
from pytest_modelgate.errors import CheckpointError

_ALLOWED = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_(tensor_v2|parameter)|torch (\w+Storage|Size|(b?float\d+|int\d+))"
)
_MAX_PICKLE = 1 << 20
_TRAIN = "Save the checkpoint again with torch.save, and pack it with write_archive"
_ACCOUNT = {(2, 3): (0, 3), (2, 4): (3, 3), (2, 5): (3, 3), (2, 6): (3, 3), (2, 7): (6, 7)}


@dataclass(frozen=True)
class CheckpointFacts:
    model_version: str
    min_trader_version: str | None
    global_step: int | None
    n_features: int
    window: int
    n_actions: int
    hidden: tuple[int, ...]
    activation: str
    feature_set: str
    n_account: int


@dataclass(frozen=True)
class LoadedCheckpoint:
    policy: MlpPolicy
    facts: CheckpointFacts


def load_checkpoint(path: Path, *, where: str, activation: str | None, feature_set: str | None, declared: Declared, trainer_packages: tuple[str, ...]) -> LoadedCheckpoint:
    import torch
    try:
        with zipfile.ZipFile(path) as z:
            if z.testzip(): raise ValueError
            data=[n for n in z.namelist() if n.endswith('/data.pkl')]
            names=set()
            for op,arg,_ in pickletools.genops(z.read(data[0])):
                if op.name=='GLOBAL': names.add(arg)
        stand=[]
        for n in sorted(names):
            if _ALLOWED.fullmatch(n): continue
            mod,_,cls=n.partition(' ')
            if mod.split('.')[0] in trainer_packages:
                stand.append((type(cls,(),{'__setstate__':lambda self,s: self.__dict__.update(s if isinstance(s,dict) else {}), '__new__':lambda c,*a,**k: object.__new__(c)}),f'{mod}.{cls}'))
            else: raise ValueError
        with torch.serialization.safe_globals(stand):
            d=torch.load(path,weights_only=True,map_location='cpu')
    except Exception:
        raise CheckpointError(where,'is not a checkpoint that can be read safely',_TRAIN) from None
    version=str(d.get('model_version'))
    key=tuple(int(x) for x in version.split('.')[:2])
    if key not in _ACCOUNT: raise CheckpointError(where,f'model_version {version!r} is unknown',_TRAIN)
    acc,na=_ACCOUNT[key]
    nf,obs=d['n_features'],d['obs_dim']
    if obs%nf: raise CheckpointError(where,f'obs_dim {obs} is not a multiple of n_features {nf}',_TRAIN)
    m=d['action_meanings']; m=[str(m[i]).upper() for i in range(len(m))]
    if tuple(m)!=ACTIONS[na]: raise CheckpointError(where,f'action_meanings are {m}, expected {ACTIONS[na]}',_TRAIN)
    cfg=d.get('config'); get=(lambda k: cfg.get(k) if isinstance(cfg,dict) else getattr(cfg,k,None))
    act=activation or get('activation') or d.get('activation') or declared.activation
    fs=feature_set or get('feature_set') or d.get('feature_set') or declared.feature_set
    ws,bs=[],[]
    for k,v in d['policy_state_dict'].items():
        if 'value' in k: continue
        (ws if k.endswith('weight') else bs).append(v.double().numpy())
    if ws[0].shape[1]!=obs: raise CheckpointError(where,f'shape {ws[0].shape}, expected {obs} inputs',_TRAIN)
    w=obs//nf
    return LoadedCheckpoint(MlpPolicy(ws,bs,act,nf-acc,acc,w),CheckpointFacts(version,d.get('min_trader_version'),None,nf,w,na,tuple(x.shape[0] for x in ws[:-1]),act,fs,acc))
