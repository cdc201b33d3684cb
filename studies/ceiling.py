"""How good could a gate be? What it keeps, what is wrong with it, what any judge could know,
and how the two teachers err.

    python studies/ceiling.py RUN [RUN ...] [--name lsp14_ceiling]

Each RUN is a finished run of lsp14.py's method, one a seed: its last pseudo-labels are held against the
hidden labels. Three scores sort them: the peak; the peak with a slope for each joint; and all that the
beliefs say (both peaks, their distance, the partner's peak, where the joint lies in the body, and the
person's size, turn and mean peak), by boosted trees. The last two are fitted to the *hidden* labels of
other people, five folds, which no gate may do: they bound what a gate could be. Writes results/NAME.json:
kinds of errors, AUC and accuracy at equal coverage, run by run."""
import argparse, json
from datetime import date
from pathlib import Path
import numpy as np, torch, fastai.basics
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sagepose.config import read_config
from sagepose.data import Crops
from sagepose.metrics import *
from sagepose.refresh import *
from sagepose.runs import versions
from sagepose.training import PoseSets, pad_pixels

def known(d, sk):
    "(n,k,f) all that the beliefs `d` say about a keypoint and its person; needs hips and shoulders"
    kp,p = d['kpts'],d['p']; n,k = p.shape; at = lambda j: kp[:,sk.idx(j)]
    neck,hip = ((at(f'left_{j}')+at(f'right_{j}'))/2 for j in ('shoulder','hip'))
    torso = (neck-hip).norm(dim=1).clamp(min=4); up = (neck-hip)/torso[:,None]
    right = torch.stack([-up[:,1],up[:,0]], 1)      # across the body: which side lies where
    turn = [((at(f'left_{j}')-at(f'right_{j}'))*right).sum(1)/torso for j in ('shoulder','hip')]
    person = torch.stack([*turn, *up.T, torso, p.mean(1), p.amin(1)], 1)
    place,apart = ((x/torso[:,None,None]) for x in (kp-hip[:,None], d['geo']-d['app']))
    joint = torch.arange(k).expand(n,k)
    return torch.cat([torch.stack([p, d['geo_conf'], d['app_conf'], p[:,sk.flip_index],
                                   apart.norm(dim=-1), joint], -1),
                      place, person[:,None].expand(n,k,-1)], -1)

def teachers(d, truth):
    "How the two teachers err: each one's accuracy, the correlation of their errors, how often they are apart"
    right = {n:is_correct(d[n], *truth) for n in ('geo','app','kpts')}
    g,a,f = (right[n] for n in ('geo','app','kpts'))
    ok = ~g.isnan(); both = torch.stack([g[ok],a[ok]])
    apart = norm_dist(d['geo'], d['app'], truth[1], truth[2])[ok]>.2
    out = dict(geometry=g.nanmean(), appearance=a.nanmean(), fused=f.nanmean(), either=both.amax(0).mean(),
               correlation=torch.corrcoef(both)[0,1], apart=apart.float().mean())
    return {n:round(float(v), 4) for n,v in out.items()}

def last_labels(run):
    """Of `run`: its configuration, its skeleton, the last pseudo-labels,
    and the hidden keypoints, visibility and scale"""
    cfg = read_config(run/'config.yaml'); s = PoseSets(cfg); c = Crops(s.reference, cfg.crop, pad_pixels(cfg))
    d = {n:v.float() for n,v in
         read_labels(max(run.glob('pseudo_labels/*')), person_keys(s.unlabelled)).items()}
    return cfg,s.sk,d,(c.kpts,c.vis,torso_scale(c.kpts, c.vis, s.sk))

def judge(run):
    "The last pseudo-labels of `run` against the hidden labels"
    cfg,sk,d,truth = last_labels(run)
    kinds = error_kinds(d['kpts'], *truth, sk); kept = d['w']>0
    some = ~kinds.isnan(); y = (kinds[some]==0).long().numpy(); x = known(d, sk)[some].numpy()
    who = torch.arange(len(kept))[:,None].expand_as(kept)[some].numpy()
    joint = np.eye(len(sk))[x[:,5].astype(int)]
    fit = lambda m,x: cross_val_predict(m, x, y, groups=who, cv=GroupKFold(5), method='predict_proba')[:,1]
    scores = {
        'peak':x[:,0],
        'peak, joint by joint':fit(LogisticRegression(max_iter=1000), np.c_[x[:,:1]*joint, joint]),
        'all that is known':fit(HistGradientBoostingClassifier(max_iter=150, max_depth=4, learning_rate=.06,
                                                               random_state=0), x)}
    share = kept[some].float().mean().item()
    acc = lambda v,c: y[np.argsort(-v, kind='stable')[:round(c*len(y))]].mean()
    row = lambda v: dict(auc=roc_auc_score(y, v), kept=acc(v, share), half=acc(v, .5), third=acc(v, 1/3))
    shares = lambda m: [round(v, 4) for v in error_shares(torch.where(m, kinds, torch.nan)).tolist()]
    return dict(seed=cfg.seed, people=len(kept), coverage=round(share, 4),
                all=shares(some), kept=shares(kept), dropped=shares(~kept), teachers=teachers(d, truth),
                scores={n:{k:round(float(o), 4) for k,o in row(v).items()} for n,v in scores.items()})

if __name__=='__main__':
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('runs', nargs='+', type=Path); ap.add_argument('--name', default='lsp14_ceiling')
    ap.add_argument('--results', default='results'); a = ap.parse_args()
    rows = [judge(r) for r in a.runs]
    for r in rows: print(json.dumps(r))
    cmd = ('python studies/ceiling.py '+' '.join(f'runs/{r.parent.name}/{r.name}' for r in a.runs)
           +(f' --name {a.name}' if a.name!='lsp14_ceiling' else ''))
    head = dict(command=cmd, version=versions()['sagepose'], device='cpu', date=str(date.today()),
                kinds=error_names)
    (Path(a.results)/f'{a.name}.json').write_text(json.dumps(dict(head, rows=rows), indent=1)+'\n')
