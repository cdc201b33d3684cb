"""Labels only against semi-supervised training on 100 real labels, at equal compute.

    python studies/lsp14.py DATA [--size 64] [--steps 800] [--seeds 0,1,2] [--arms labels,semi,oracle] [--runs runs/lsp14]

DATA is a folder with train.json, val.json, unlabeled.json, unlabeled_reference.json and splits/ (LSP and
LSP-extended as COCO keypoints). Every run is a folder below --runs: finished ones are not run again, killed ones
continue. Several processes may work on one study with different --seeds or --arms. After each run results/lsp14.csv
(arm, seed, step, metric, value) and results/lsp14.json (means and 95 % intervals over the seeds) are written anew
from all finished runs.

Arms: `labels` sees labels only, with batches so large that the run costs as many forward passes as `semi`;
`semi` is the method; `oracle` keeps exactly the pseudo-labels that hidden labels prove right; `all` has the labels
of the whole pool. `labels` is also reported stopped at its best score on val.json, which favours it."""
import argparse, json, os, sys
from dataclasses import replace
from pathlib import Path
import torch
from sagepose.config import PoseConfig, compute, labels_only, override
from sagepose.metrics import mean_ci, paired_ci
from sagepose.runs import read_csv, train, write_csv

def base(a, seed):
    d = Path(a.data)
    return override(PoseConfig(), labelled=d/'train.json', val=d/'val.json', unlabelled=d/'unlabeled.json' if a.lspet else '',
        reference=d/'unlabeled_reference.json' if a.lspet else '', labelled_ids=d/f'splits/labels_{a.labels}_seed{seed}.json',
        pool=True, crop=(a.size,a.size), backbone='tf_efficientnet_lite0', pretrained='offline', levels=3, width=32,
        freeze=2, seed=seed, lr=a.lr, steps=a.steps, epoch_steps=max(a.steps//20,1), bs=16, ratio=2, views=1, stage1=.25, stage2=.25,
        ramp=.1, decay_geo=.98, decay_app=.99, beta=0, weak=.5, weak_rot=10, strong=.5, strong_rot=30, strong_scale=.25, cutout=2,
        device=a.device)

def arm(a, name, seed):
    c = base(a, seed)
    if name=='labels': c = labels_only(c)
    if name=='oracle': c = override(c, gate='oracle')
    if name=='all': c = override(labels_only(c), labelled_ids='')
    if name not in ('labels','semi','oracle','all'): c = override(c, **dict(o.split('=') for o in name.split(',')))
    return replace(c, out=str(Path(a.runs)/f'{name}_seed{seed}'))

def report(a):
    "Results of all finished runs"
    rows,last = [],{}
    for f in sorted(Path(a.runs).glob('*_seed*/metrics.json')):
        name,seed = f.parent.name.rsplit('_seed',1); m = json.loads(f.read_text())
        last.setdefault(name,{})[int(seed)] = dict(last=m['pck'], best=m['best']['pck'], **m['compute'])
        for r in read_csv(f.parent/'log.csv'):
            rows += [dict(arm=name, seed=seed, step=int(r['step']), metric=k, value=round(r[k],5)) for k in
                     ('pck','coverage','accuracy','kept_accuracy','dropped_accuracy') if r.get(k) is not None]
    out = dict(command='python studies/lsp14.py DATA '+' '.join(sys.argv[2:]), arms={})
    for n,s in last.items():
        ci = lambda v: [round(100*t,2) for t in (lambda c: (c.mean,c.lo,c.hi))(mean_ci(torch.tensor(v)))] if len(v)>1 else [round(100*v[0],2)]
        out['arms'][n] = dict(seeds=sorted(s), last=ci([s[i]['last'] for i in sorted(s)]), best=ci([s[i]['best'] for i in sorted(s)]),
                              forward_passes=s[min(s)]['F'])
        ref = last.get('labels',{}); both = sorted(set(ref)&set(s))
        if n!='labels' and len(both)>1:
            d = lambda k: (lambda c: [round(100*t,2) for t in (c.mean,c.lo,c.hi)])(paired_ci(
                torch.tensor([s[i]['last'] for i in both]), torch.tensor([ref[i][k] for i in both])))
            out['arms'][n].update(minus_labels_last=d('last'), minus_labels_best=d('best'))
    res = Path(a.results); res.mkdir(exist_ok=True)
    write_csv(res/f'{a.name}.csv', rows); (res/f'{a.name}.json').write_text(json.dumps(out, indent=1)+'\n')
    return out

if __name__=='__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('data'); p.add_argument('--name', default='lsp14'); p.add_argument('--runs', default='runs/lsp14'); p.add_argument('--results', default='results')
    p.add_argument('--arms', default='semi,labels,oracle'); p.add_argument('--seeds', default='0,1,2'); p.add_argument('--device', default='')
    p.add_argument('--lspet', action='store_true', help='LSP-extended too, not only the rest of the pool')
    for n,v in dict(size=64, steps=800, labels=100).items(): p.add_argument(f'--{n}', type=int, default=v)
    p.add_argument('--lr', type=float, default=1e-2)
    a = p.parse_args()
    for s in a.seeds.split(','):
        for n in a.arms.split(';' if ';' in a.arms else ','):
            c = arm(a, n, int(s)); out = Path(c.out)
            if not (out/'metrics.json').exists(): train(c, resume=(out/'checkpoint').exists())
            print(json.dumps(report(a)['arms'], indent=1), flush=True)
