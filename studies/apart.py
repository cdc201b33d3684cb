"""Are teachers that were trained apart better than one, and do they know where they are wrong?

    python studies/apart.py DATA [MODELS] [--seeds 3,4] [--nets 3] [--size 128] [--results results]

DATA     folder with train.json, val.json, splits/ (LSP as COCO keypoints, 14 joints); for seeds without
         a split labels are drawn
MODELS   where the networks are, default runs/apart: SEED_NET, trained on the 100 labels of SEED as
         lsp14.py trains before its first pseudo-label; those that are missing are trained (seven
         minutes each at 128 pixels)

The networks of a seed differ in the weights that are not pretrained, in the order of the batches and in
the views: two teachers cannot be further apart and know the same labels. Each looks at a person twice,
once mirrored; maps are averaged. Writes RESULTS/lsp14_apart.json, for the 600 people of the pool and for
the validation people: accuracy of one network, of their mean, of whoever is right; how often pairs err
together; and how well scores tell right from wrong. `both` knows the peak of the mean and how far the
networks are apart, fitted to the hidden labels of other people, five folds, which no gate may do."""
import warnings; warnings.filterwarnings('ignore')
import argparse, itertools, json
from datetime import date
from pathlib import Path
import numpy as np, torch, fastai.basics
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sagepose.data import *
from sagepose.heatmaps import *
from sagepose.metrics import *
from sagepose.runs import versions
import lsp14

def score(s, right, share=.64):
    "How well `s` sorts, and how many of the best `share` are right"
    return dict(auc=roc_auc_score(right, s), best=right[s>=np.quantile(s, 1-share)].mean())

def measure(hms, crop, true):
    "What one network, all and whoever is right know, and how well it is known who is right"
    kps,(kp,peak) = [decode(h, crop)[0] for h in hms],decode(sum(hms)/len(hms), crop)
    right = is_correct(kp, *true); ok = ~right.isnan(); y = right[ok].numpy()
    some = torch.stack([is_correct(p, *true)[ok] for p in kps])
    apart = torch.stack([norm_dist(p, kp, *true[1:]) for p in kps]).mean(0)[ok].numpy()
    one,peak = decode(hms[0], crop)[1][ok].numpy(),peak[ok].numpy()
    person = torch.arange(len(kp))[:,None].expand_as(ok)[ok].numpy()
    both = cross_val_predict(make_pipeline(StandardScaler(), LogisticRegression()),
                             np.stack([peak, np.log(apart+.01)], 1), y, groups=person,
                             cv=GroupKFold(5), method='predict_proba')[:,1]
    pairs = [torch.corrcoef(some[list(ij)])[0,1].item()
             for ij in itertools.combinations(range(len(hms)), 2)]
    return dict(one=some.mean(), mean=y.mean(), any=some.amax(0).mean(), correlation=np.mean(pairs),
                scores={'peak of one':score(one, some[0].numpy()), 'peak of the mean':score(peak, y),
                        'networks apart':score(-apart, y), 'both':score(both, y)})

def rounded(d): return {k:rounded(v) if isinstance(v, dict) else round(float(v), 4) for k,v in d.items()}

if __name__=='__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('data', type=Path)
    p.add_argument('models', nargs='?', type=Path, default=Path('runs/apart'))
    p.add_argument('--results', type=Path, default=Path('results'))
    for n,v in dict(seeds='3,4', nets=3, size=128, labels=100).items():
        p.add_argument(f'--{n}', type=type(v), default=v)
    a = p.parse_args(); torch.set_num_threads(1)
    rows,seeds = [],[int(s) for s in a.seeds.split(',')]
    everyone,val = (read_coco(a.data/f'{n}.json') for n in ('train','val'))
    for s in seeds:
        ids = str(lsp14.splits(a, a.models, seeds)).format(seed=s)
        nets = [lsp14.network(a.data, ids, a.models/f'{s}_{i}', a.size, seed=s+10*i) for i in range(a.nets)]
        pool = everyone[~np.isin(everyone.image_ids, json.loads(Path(ids).read_text()))]
        for n,ps in dict(pool=pool, val=val).items():
            c = Crops(ps, nets[0].crop); hms = [m.heat(c.imgs, flip=True) for m in nets]
            true = c.kpts,c.vis,torso_scale(c.kpts, c.vis, ps.sk)
            rows.append(dict(seed=s, people=n, n=len(c), **rounded(measure(hms, c.crop, true))))
            print(json.dumps(rows[-1]), flush=True)
    head = dict(command=f'python studies/apart.py DATA --seeds {a.seeds} --nets {a.nets} --size {a.size}',
                version=versions()['sagepose'], device='cpu', date=str(date.today()))
    (a.results/'lsp14_apart.json').write_text(json.dumps(dict(head, rows=rows), indent=1)+'\n')
