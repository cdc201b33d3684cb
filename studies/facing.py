"""Left for right: how many pseudo-labels are wrong for that alone, and what would it bring to be told?

    python studies/facing.py DATA [MODELS] [--seeds 0,1,2] [--arms "as they are,told"] [--steps 282]
                             [--results results]

DATA     as in lsp14.py
MODELS   where networks and runs are, default runs/facing: SEED, the network of the 100 labels of SEED as
         lsp14.py trains it before its first pseudo-label; trained if it is not there (seven minutes)

Each arm goes on from there with the method's settings for --steps more, in one learning-rate cycle and with
one sweep. Arms: the pseudo-labels as they are; and told, where everybody whom the teachers see the wrong way
round, that is, more of whose joints fit the hidden labels once left and right change places, is turned. A
finished run is not run again; several processes may share MODELS with other --seeds or --arms. Writes
RESULTS/lsp14_facing.json: what the labels of the sweep are, in shares of all hidden labels and of those that
the gate keeps, and PCK on the validation people at each look."""
import warnings; warnings.filterwarnings('ignore')
import argparse, json
from dataclasses import replace
from datetime import date
from pathlib import Path
import torch, fastai.basics
from sagepose.config import override
from sagepose.filters import oracle
from sagepose.runs import read_csv, train, versions
from sagepose.training import *
import lsp14

def kinds(d, ref, flip):
    "How many of the labels `d` of a sweep are right, and how many lie on the same joint of the other side"
    kp,vis,s = ref; known = vis>0; kept = known&(d['w']>0)
    right = oracle(d['kpts'], kp, vis, s)>0; other = (oracle(d['kpts'], kp[:,flip], vis[:,flip], s)>0)&~right
    some = lambda m: {n:round(v[m].float().mean().item(), 4)
                      for n,v in dict(right=right, other=other).items()}
    return dict(all=some(known), kept=some(kept), coverage=round((kept.sum()/known.sum()).item(), 4))

def turn(d, ref, flip):
    "Exchange left and right of the people whose labels fit better so"
    wrong = oracle(d['kpts'][:,flip], *ref).sum(1)>oracle(d['kpts'], *ref).sum(1)
    for n in ('kpts','w','p'): d[n][wrong] = d[n][wrong][:,flip]

class Labels(PseudoLabels):
    "Pseudo-labels whose kinds are written into the run's folder"
    told = False
    def sweep(self, step=0):
        super().sweep(step); flip = list(self.sk.flip_index)
        if self.told: turn(self.labels, self.ref, flip)
        (Path(self.cfg.out)/'labels.json').write_text(json.dumps(kinds(self.labels, self.ref, flip)))

class Told(Labels): told = True

asked = {'as they are':Labels, 'told':Told}

def run(a, arm, seed, ids):
    "One run, trained if it is not finished: what its labels are, and the rows of its log"
    net,out = a.models/f'{seed}',a.models/f"{arm.replace(' ','_')}@{seed}"
    if not (out/'metrics.json').exists():
        lsp14.network(a.data, ids, net, seed=seed)
        c = override(lsp14.base(a, ids), seed=seed, init=str(net), stage1=0, stage2=0, bs0=0, rounds=1,
                     steps=a.steps, device='cpu')
        class Task(PoseTask): labels_cb = asked[arm]
        train(replace(c, out=str(out)), overwrite=True, task=Task)
    rows = [dict(step=int(r['step']), pck=round(r['pck'], 5)) for r in read_csv(out/'log.csv')]
    return dict(arm=arm, seed=seed, labels=json.loads((out/'labels.json').read_text()), looks=rows)

if __name__=='__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('data', type=Path)
    p.add_argument('models', nargs='?', type=Path, default=Path('runs/facing'))
    p.add_argument('--results', type=Path, default=Path('results'))
    for n,v in dict(seeds='0,1,2', arms=','.join(asked), steps=282).items():
        p.add_argument(f'--{n}', type=type(v), default=v)
    a = p.parse_args(); torch.set_num_threads(1); seeds = [int(s) for s in a.seeds.split(',')]
    for n,v in dict(size=128, lr=1e-2, lspet=0, looks=8, camera=.5, labels=100, people=0, extra=0).items():
        setattr(a, n, v)
    ids = str(lsp14.splits(a, a.models, seeds))
    rows = [run(a, n, s, ids.format(seed=s)) for s in seeds for n in a.arms.split(',')]
    head = dict(command=f'python studies/facing.py DATA --seeds {a.seeds} --arms "{a.arms}" '
                        f'--steps {a.steps}', version=versions()['sagepose'], device='cpu',
                date=str(date.today()))
    (a.results/'lsp14_facing.json').write_text(json.dumps(dict(head, rows=rows), indent=1)+'\n')
