"""Is a correctness model fitted on a few labels a better confidence than the peak,
and can it choose between two teachers?

    python studies/calibration_lsp14.py DATA [MODELS] [--size 128] [--steps 470] [--results results]

DATA     folder with train.json, val.json, splits/ (LSP as COCO keypoints, 14 joints)
MODELS   where the networks are, default runs/calibration: `all`, trained on the 100 labels of
         splits/labels_100_seed0.json as lsp14.py trains before its first pseudo-label, and `fold0`
         to `fold3`, each without a quarter of them; those that are missing are trained (ten minutes
         each at 128 pixels)

Writes RESULTS/calibration_lsp14.json. The other 600 people of train.json are the pool. Their labels are
hidden from the network: 200 of them play held-out labels for the correctness model, 400 are the test set.
Both teachers have the same weights here and look once."""
import warnings; warnings.filterwarnings('ignore')
import argparse, json, subprocess
from datetime import date
from pathlib import Path
import numpy as np, torch
from sklearn.linear_model import LogisticRegression
from sklearn.ensemble import HistGradientBoostingClassifier
from sagepose import __version__
from sagepose.augmentations import *
from sagepose.calibration import *
from sagepose.data import *
from sagepose.filters import *
from sagepose.fusion import *
from sagepose.geometry import *
from sagepose.heatmaps import *
from sagepose.metrics import *
from sagepose.models import heatmaps
from sagepose.training import normalise

import lsp14

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument('data', type=Path)
ap.add_argument('models', type=Path, nargs='?', default=Path('runs/calibration'))
ap.add_argument('--size', type=int, default=128); ap.add_argument('--steps', type=int, default=470)
ap.add_argument('--results', type=Path, default=Path('results'))
args = ap.parse_args(); data = args.data
crop,K,rows = (args.size,)*2,4,[]
pad = round(.25*max(crop))
torch.set_num_threads(1)

# ---- networks of labels alone

def train(name, keep):
    "The network of the people `keep`, trained if it is not there"
    d = args.models/name; d.mkdir(parents=True, exist_ok=True)
    i = d/'ids.json'; i.write_text(json.dumps([int(o) for o in keep]))
    return lsp14.network(data, i, d, args.size, args.steps).model

# ---- beliefs, as training makes them, and what is right

def beliefs(model, ps, seed=0, source=None):
    "Beliefs of the geometry and the appearance teacher, appearance features (b,c,h,w), labels in crop pixels"
    ds = Crops(ps, crop, pad, views=[None, weak_photo()]); sk = ps.sk; G,A,F = [],[],[]
    if source: ds.imgs = np.stack([source(im, i) for i,im in enumerate(ds.imgs)])
    gen = torch.Generator().manual_seed(seed)
    tap = model.head.smooth.register_forward_hook(lambda m,i,o: F.append(o))
    ask = lambda x: heatmaps(model(x))[0].float()
    with torch.no_grad():
        for s in range(0, len(ds), 50):
            x = torch.stack([ds[i,seed*100003+i][0] for i in range(s, min(s+50,len(ds)))])
            x = normalise(x, model.mean, model.std); w = weak_geometry(len(x), crop, gen)
            G.append(w.unheatmap(ask(w.image(x[:,0], pad)), sk)); A.append(ask(centre(x[:,1], pad)))
    tap.remove()
    return belief(torch.cat(G), crop),belief(torch.cat(A), crop),torch.cat(F[1::2]),ds.kpts,ds.vis

def judge(kp, vis, sk):
    s = torso_scale(kp, vis, sk)
    return s,lambda p: is_correct(p, kp, vis, s)

ids = json.loads((data/'splits/labels_100_seed0.json').read_text())
everyone = read_coco(data/'train.json'); mine = np.isin(everyone.image_ids, ids)
labels,pool = everyone[mine],everyone[~mine]; sk = pool.sk; k = len(sk)
model = train('all', ids)
g,a,feat,kp,vis = beliefs(model, pool); scale,C = judge(kp, vis, sk)
f,_ = fuse(g, a, crop, by='mean'); ok = C(f.kpts); x = features(g, a, f, sk, crop)
tr,te = torch.arange(200),torch.arange(200, len(pool)); D = x.shape[-1]

# ---- bootstrap over the people of the test set

draws = torch.from_numpy(
    np.random.default_rng(0).multinomial(len(te), np.ones(len(te))/len(te), 500)).double()

def auc_boot(p):
    "AUC on the test people and on each of the draws of them"
    c = ok[te]; on = ~c.isnan(); who = torch.arange(len(te))[:,None].expand_as(c)[on]
    o = p[on].argsort(); y,w = c[on][o].double(),draws[:,who[o]]
    neg = (w*(1-y)).cumsum(1); return auc_score(p, c),((w*y*neg).sum(1)/((w*y).sum(1)*(w*(1-y)).sum(1)))

def ci(b): return [round(float(v),4) for v in b.quantile(torch.tensor([.025,.975], dtype=b.dtype))]
raw_auc,raw_boot = auc_boot(f.conf[te])

def confidence(arm, p, n=None, **kw):
    "A row: how well `p` sorts and whether it means what it says"
    s,b = auc_boot(p)
    rows.append(dict(question='confidence', arm=arm, labels=n, auc=round(s,4), auc_ci=ci(b),
                     gain=round(s-raw_auc,4), gain_ci=ci(b-raw_boot), ece=round(ece(p, ok[te]),4),
                     said=round(float(p[~ok[te].isnan()].mean()),4), **kw))
    print(f"{arm:45} n={n or '':4} AUC {s:.3f} {ci(b)} ECE {rows[-1]['ece']:.3f}", flush=True)

def fit(xx, n, **kw): return Correctness(k, xx.shape[-1], **kw).fit(xx[tr[:n]], ok[tr[:n]])
confidence('raw fused peak', f.conf[te], right=round(float(ok[te].nanmean()),4))
for n in (20,40,100,200):
    confidence('peak alone, logistic', fit(x[...,:1], n, s=0)(x[te][...,:1]), n)
    confidence('peak alone, isotonic', fit(x[...,:1], n, s=0, isotonic=True)(x[te][...,:1]), n)
    confidence('correctness model', fit(x, n)(x[te]), n)
    confidence('correctness model, shared slopes', fit(x, n, s=0)(x[te]), n)
    confidence('correctness model, isotonic', fit(x, n, isotonic=True)(x[te]), n)

# ---- what a threshold keeps, and what a mean says about a person

m = fit(x, 100); known = ~ok[te].isnan(); share = ok[te].nanmean(1); has = share.isfinite()
for arm,p in (('raw fused peak',f.conf[te]),('correctness model',m(x[te]))):
    for lo,hi in ((.3,2.),(.5,2.),(.7,2.),(.9,2.),(.65,.75)):
        w = (p>=lo)&(p<hi)&known
        rows.append(dict(question='threshold', arm=arm, labels=100, at_least=lo, below=hi if hi<1 else None,
                         kept=round(float(w.sum()/known.sum()),4),
                         right=round(float(ok[te][w].mean()),4) if w.any() else None))
        print(rows[-1])
    r = lambda v: v.argsort().argsort().double()
    rows.append(dict(question='person', arm=arm, labels=100, rank_correlation=round(float(
        torch.corrcoef(torch.stack([r(p.mean(1)[has]), r(share[has])]))[0,1]),4)))
    print(rows[-1])

# ---- does it mean what it says

for arm,p in (('raw fused peak',f.conf[te]),('correctness model',m(x[te]))):
    for said,right,n in zip(*reliability(p, ok[te])):
        if n:
            rows.append(dict(question='reliability', arm=arm, labels=100, said=round(float(said),4),
                             right=round(float(right),4), keypoints=int(n)))

# ---- what each rule for thresholds keeps: one model of confidence, one look at everybody,
# statistics over three rounds

rule_sets = {f'mean {-b:+g} sd' if b else 'mean':dict(beta=b) for b in (-.5,0.,.25,.5,1.)}
rule_sets |= {f'fixed {t}':dict(rule='fixed', fixed=t) for t in (.3,.5,.7,.9)}
rule_sets |= {n:dict(rule=n) for n in ('soft','flex','free')}
for conf,p in (('raw fused peak',f.conf),('correctness model',m(x))):
    order = p[te][known].argsort(descending=True); hits = ok[te][known][order]
    for c in range(5,101,5):
        rows.append(dict(question='curve', arm=conf, labels=100, kept=c/100,
                         right=round(float(hits[:round(c/100*len(hits))].mean()),4)))
    for name,kw in rule_sets.items():
        g3 = Gates(k, floor=0., instance=False, **kw)
        for e in range(3):
            for i in torch.randperm(len(pool), generator=torch.Generator().manual_seed(e)).split(36):
                g3.update(p[i])
        w = g3(p[te])*known; kept = float(w.sum()/known.sum()); n = round(kept*len(hits))
        rows.append(dict(question='rule', arm=conf, rule=name, labels=100, kept=round(kept,4),
                         right=round(float((w*ok[te].nan_to_num(0)).sum()/w.sum()),4) if n else None,
                         one_threshold=round(float(hits[:n].mean()),4) if n else None))
        print(rows[-1])

# ---- which features carry it

full,full_boot = auc_boot(fit(x, 200)(x[te]))
for j,name in enumerate(feature_names):
    keep = [i for i in range(D) if i!=j]; s,b = auc_boot(fit(x[...,keep], 200)(x[te][...,keep]))
    rows.append(dict(question='drop one', arm=name, labels=200,
                     alone=round(auc_score(x[te][...,j], ok[te]),4), auc=round(s,4),
                     loss=round(full-s,4), loss_ci=ci(full_boot-b)))
    print('without', name, f'{full-s:.4f}', ci(full_boot-b))
for names in (('peak','support','apart','moved'),
              ('peak','swap','twin','stretch','near','person','border'),
              ('peak','spread','share','second')):
    cols = [feature_names.index(o) for o in names]
    confidence('only '+', '.join(names), fit(x[...,cols], 200)(x[te][...,cols]), 200)

# ---- more than a linear model, more than the maps

def at_kpts(F, p):
    "Features (b,k,c) of the maps (b,c,h,w) at keypoints"
    h,w = F.shape[-2:]; c = to_hm(p, crop, (h,w)).round().long()
    i = c[...,1].clamp(0,h-1)*w+c[...,0].clamp(0,w-1)
    return F.flatten(-2).gather(-1, i[:,None].expand(-1,F.shape[1],-1)).permute(0,2,1)

deep = torch.cat([x, at_kpts(feat, f.kpts)], -1)
for c in (.1,.01): confidence(f"and the network's own features, C={c}", fit(deep, 200, C=c)(deep[te]), 200)

def boosted(xx):
    X = torch.cat([xx, torch.arange(k)[None,:,None].expand(len(xx),-1,1)], -1); on = ~ok[tr].isnan()
    m = HistGradientBoostingClassifier(max_iter=60, learning_rate=.05, max_leaf_nodes=8, l2_regularization=5,
                                       random_state=0)
    m.fit(X[tr][on].numpy(), ok[tr][on].numpy())
    return torch.from_numpy(m.predict_proba(X[te].flatten(0,1).numpy())[:,1]).view(len(te),k)
confidence('boosted trees', boosted(x), 200)
confidence("boosted trees and the network's own features", boosted(deep), 200)

# ---- labels that the network has learned from

gl,al,_,kl,vl = beliefs(model, labels); _,Cl = judge(kl, vl, sk)
def own(strength, holes, seed=1):
    """Features and truths of the training labels, seen through strong augmentation;
    mean log-odds of their peaks"""
    photo = strong_photo(strength) if strength else None
    def source(im, i):
        im = photo(im, seed*1000+i) if photo else im.copy(); r = np.random.default_rng([seed,i])
        for _ in range(holes):
            y,q,h = *r.integers(pad, pad+crop[0], 2),r.integers(4,10)
            im[y-h:y+h,q-h:q+h] = im.mean((0,1)).astype(np.uint8)
        return im
    u,v,_,_,_ = beliefs(model, labels, seed, source); o,_ = fuse(u, v, crop, by='mean')
    return features(u, v, o, sk, crop),Cl(o.kpts),float(logit(o.conf).mean())

target,best = float(logit(f.conf).mean()),None
for strength,holes in ((0,0),(1.,0),(1.,4),(1.5,8),(1.5,16)):
    xo,co,z = own(strength, holes); m = Correctness(k).fit(xo, co)
    confidence(f'its own labels, strength {strength:g}, {holes} holes', m(x[te]), 100,
               right_there=round(float(co.nanmean()),4), peak_there=round(z,3), peak_here=round(target,3))
    for n in (20,40):   # its slopes, but two numbers, shift and stretch, from a few held-out people
        u = m.log_odds(x)[...,None]; two = Correctness(k, 1, s=0, C=1.).fit(u[tr[:n]], ok[tr[:n]])
        confidence(f'the same, level from {n} held-out people', two(u[te]), n)
    if best is None or abs(z-target)<best[0]:
        best = (abs(z-target),
                f'its own labels at the strength that matches the peaks ({strength:g}, {holes})',
                m)
confidence(best[1], best[2](x[te]), 100)

# ---- cross-fitted on the 100 labels

order,part = np.random.default_rng(0).permutation(ids),np.zeros(len(labels), int)
for i in range(K): part[np.isin(labels.image_ids, order[i::K])] = i

def train_fold(keep):
    i = part[np.setdiff1d(np.arange(len(labels)), keep)[0]]
    u,v,_,_,_ = beliefs(train(f'fold{i}', labels.image_ids[keep]), labels); o,_ = fuse(u, v, crop, by='mean')
    xs,cs = features(u, v, o, sk, crop),Cl(o.kpts); return lambda r: (xs[r],cs[r])

xc,cc = cross_fit(train_fold, len(labels), parts=part); m = Correctness(k).fit(xc, cc)
confidence(f'cross-fitted, {K} networks', m(x[te]), 100, right_there=round(float(cc.nanmean()),4),
           peak_there=round(float(xc[...,0].mean()),3), peak_here=round(target,3))
m = Correctness(k, 1, s=0).fit(xc[...,:1], cc)
confidence(f'peak alone, cross-fitted, {K} networks', m(x[te][...,:1]), 100)

# ---- choosing between the teachers

base = ok[te]
def choice(arm, c, n=None, **kw):
    "A row: share of right keypoints, and the paired difference to the plain mean"
    c = c[te]
    d = bootstrap_ci(c-base, 1000, torch.Generator().manual_seed(0))
    m = bootstrap_ci(c, 1000, torch.Generator().manual_seed(0))
    rows.append(dict(question='fusion', arm=arm, labels=n,
                     pck=round(m.mean*100,2), ci=[round(m.lo*100,2),round(m.hi*100,2)],
                     gain=round(d.mean*100,2), gain_ci=[round(d.lo*100,2),round(d.hi*100,2)], **kw))
    print(f"{arm:45} n={n or '':4} {m.mean*100:.2f} "
          f"gain {d.mean*100:+.2f} [{d.lo*100:.2f},{d.hi*100:.2f}]", flush=True)

cg,ca = C(g.kpts),C(a.kpts); either = torch.maximum(cg, ca)
choice('geometry', cg); choice('appearance', ca); choice('mean', ok)
choice('instance, raw, T=1', C(fuse(g, a, crop, 1., 'instance')[0].kpts))
for T in (.1,.5,1.,1.5): choice(f'keypoint, raw peaks, T={T}', C(fuse(g, a, crop, T)[0].kpts))
choice('the higher peak', torch.where(g.conf>a.conf, cg, ca))
split = (cg!=ca)&~cg.isnan()
for n in (100,200):
    X = teacher_features(g, a, sk, crop)
    m = Correctness(k).fit(torch.cat([o[:n] for o in X]), torch.cat([cg[:n],ca[:n]])); p = m(X[0]),m(X[1])
    for T in (.1,.5,1.,1.5):
        choice(f'keypoint, probabilities, T={T}', C(fuse(g, a, crop, T, conf=p)[0].kpts), n)
    for T in (.3,1.):
        choice(f'keypoint, log-odds of probabilities, T={T}',
               C(fuse(g, a, crop, T, conf=tuple(map(logit,p)))[0].kpts), n)
    won = ((p[0]>p[1])==(cg>ca))[te][split[te]].float().mean()
    raw = ((g.conf>a.conf)==(cg>ca))[te][split[te]].float().mean()
    choice('the more probable', torch.where(p[0]>p[1], cg, ca), n,
           won=round(float(won),4), won_by_peak=round(float(raw),4))
    d = X[0]-X[1]; on = split.clone(); on[n:] = False; s = d[on].std(0)+1e-3
    m = LogisticRegression(C=.1).fit((d[on]/s).numpy(), (cg>ca)[on].numpy())
    z = torch.from_numpy(m.decision_function((d/s).flatten(0,1).numpy())).view(cg.shape)
    won = ((z>0)==(cg>ca))[te][split[te]].float().mean()
    choice('a selector trained on pairs of which one is right', torch.where(z>0, cg, ca), n,
           won=round(float(won),4))
choice('either (upper bound)', either)

# ---- what the upper bound is made of

turn = torch.stack([-(g.kpts-a.kpts)[...,1], (g.kpts-a.kpts)[...,0]], -1)/2
choice('either of two sham teachers: the mean, shifted sideways',
       torch.maximum(C(f.kpts+turn), C(f.kpts-turn)))
apart = (g.kpts-a.kpts).norm(dim=-1)/scale[:,None]; known = (~cg.isnan()).clone(); known[:200] = False
for lo,hi in ((0,.1),(.1,.2),(.2,.4),(.4,9.)):
    w = (apart>=lo)&(apart<hi)&known; share = float(w.sum()/known.sum())
    rows.append(dict(question='gap', arm=f'teachers {lo}-{hi} torsos apart', share=round(share,4),
                     mean=round(100*float(ok[w].mean()),2), either=round(100*float(either[w].mean()),2),
                     points=round(100*share*float((either-ok)[w].mean()),2)))
    print(rows[-1])

# ---- more places to choose from: both teachers' and three peaks of the mean; bones as a pictorial structure

def peaks(hm, n=3, r=2):
    "The `n` highest peaks of each map: keypoints (b,k,n,2)"
    out,hm = [],hm.clone(); h,w = hm.shape[-2:]; near = lambda n,t: (torch.arange(n)-t[...,None]).abs()<=r
    for _ in range(n):
        c,_ = argmax2d(hm); out.append(to_crop(dark(hm, c), crop, (h,w)))
        hm = torch.where(near(h, c[...,1])[...,None]&near(w, c[...,0])[...,None,:], torch.tensor(-1.), hm)
    return torch.stack(out, 2)

def passed(U, pw, rounds=6):
    "Max-product over the limbs: beliefs (b,k,c) from unaries `U` and pairwise terms {(u,v):(b,c,c)}"
    M = {(u,v):torch.zeros_like(U[:,0]) for a,b in pw for u,v in ((a,b),(b,a))}
    into = lambda v: U[:,v]+sum(m for (_,t),m in M.items() if t==v)
    for _ in range(rounds):
        for (u,v),p in pw.items():
            for s,t,q in ((u,v,p),(v,u,p.mT)):
                m = ((into(s)-M[t,s])[:,:,None]+q).amax(1)
                M[s,t] = m-m.amax(1, keepdim=True)
    return torch.stack([into(v) for v in range(U.shape[1])], 1)

P = torch.cat([g.kpts[:,:,None], a.kpts[:,:,None], peaks(f.hm)], 2); n_c = P.shape[2]
ok_c = torch.stack([C(P[:,:,i]) for i in range(n_c)], 2); take = lambda i: ok_c.gather(2, i[...,None])[...,0]
choice('any of both and the three highest peaks (upper bound)', ok_c.amax(2))
X = torch.stack([features(g, a, Belief(f.hm, P[:,:,i], value_at(f.hm, P[:,:,i], crop)), sk, crop, others=f)
                 for i in range(n_c)])
X = torch.cat([X, torch.eye(n_c)[:,None,None].expand(-1,*X.shape[1:3],-1)], -1)
size = person_scale(f, sk, crop)
for n in (100,200):
    m = Correctness(k, X.shape[-1]).fit(X[:,:n].flatten(0,1), ok_c[:n].permute(2,0,1).flatten(0,1))
    U = logit(torch.stack([m(o) for o in X], 2))
    choice('the most probable of these', take(U.argmax(2)), n)
    pw = {}
    for u,v in sk.limbs:    # how common is this bone, seen from a kernel density of the n labelled people
        ref = ((kp[:n,v]-kp[:n,u])/size[:n,None])[(vis[:n,u]>0)&(vis[:n,v]>0)]
        d = (P[:,v][:,None]-P[:,u][:,:,None])/size[:,None,None,None]
        pw[u,v] = torch.exp(-(d[...,None,:]-ref).square().sum(-1)/(2*.45**2)).mean(-1).clamp(min=1e-4).log()
    for w in (.1,.4):
        choice(f'the same and the bones, weight {w}',
               take(passed(U, {e:p*w for e,p in pw.items()}).argmax(2)), n)

commit = subprocess.run(['git','rev-parse','--short','HEAD'], capture_output=True, text=True).stdout.strip()
said = f'python studies/calibration_lsp14.py DATA --size {args.size} --steps {args.steps}'
(args.results/'calibration_lsp14.json').write_text(json.dumps(dict(
    command=said, version=__version__, commit=commit, device='cpu', date=str(date.today()), crop=crop,
    people=dict(labels=len(labels), held_out=len(tr), test=len(te)), rows=rows), indent=0)+'\n')
