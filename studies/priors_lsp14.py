"""What structure knows about a pose network's errors, on lsp14: python studies/priors_lsp14.py DATA RUN [OUT]

DATA: folder with train.json and splits/labels_100_seed0.json; RUN: folder of a model trained on
these 100 labels. The other people of train.json have labels that neither the model nor the priors
saw; they say what is right."""
import argparse, datetime, json, subprocess
from pathlib import Path
import numpy as np, torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
import sagepose
from sagepose.data import read_coco, Crops
from sagepose.heatmaps import decode
from sagepose.metrics import torso_scale, is_correct
from sagepose.models import load_model, heatmaps
from sagepose.priors import Priors
from sagepose.training import normalise

ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
ap.add_argument('data', type=Path); ap.add_argument('run', type=Path)
ap.add_argument('out', type=Path, nargs='?',
                default=Path(__file__).parent.parent/'results'/'priors_lsp14.json')
args = ap.parse_args()
torch.set_num_threads(1); rng = np.random.default_rng(0)

# people: 100 labelled, the others hidden
model,meta = load_model(args.run); crop = tuple(meta['crop'])
every = read_coco(args.data/'train.json', 'lsp14'); sk = every.sk
split = args.data/'splits'/'labels_100_seed0.json'
mine = np.isin(every.image_ids, json.loads(split.read_text()))
lab,hid = (Crops(every[m], crop, 0, margin=meta['margin']) for m in (mine,~mine))
def batch(i):
    x = torch.stack([hid[j][0] for j in range(i, min(i+64,len(hid)))])
    return normalise(x, model.mean, model.std)
with torch.no_grad():
    ans = [decode(heatmaps(model(batch(i)))[0], crop) for i in range(0, len(hid), 64)]
kp,peak = (torch.cat(t) for t in zip(*ans))
right = is_correct(kp, hid.kpts, hid.vis, torso_scale(hid.kpts, hid.vis, sk))
b,k = right.shape; known = right.isfinite()

# structure, without and with the peaks as confidences
priors = Priors.fit(lab.kpts, lab.vis, sk)
ins,own = priors.anomaly(kp); ins_c,own_c = priors.anomaly(kp, peak.clamp(.01, 1))
wide = lambda x: x[:,None].expand(b, k)
log = lambda x: (x+1e-3).log()

def auc(score, who=slice(None)):
    "AUC of `score` (b,k) for being right, over all keypoints of the people `who`"
    m = known[who]; return roc_auc_score(right[who][m], score[who][m])

def logistic(*feats):
    "Chance of being right from `feats` (b,k) and the joint, cross-fitted over 5 folds of people"
    one = np.tile(np.eye(k), (b,1)); X = np.stack([f.flatten().numpy() for f in feats], 1)
    X = np.concatenate([X, X[:,:1]*one, one], 1); X = (X-X.mean(0))/X.std(0).clip(1e-6)
    y = right.nan_to_num(0).flatten().numpy().astype(int); who = np.repeat(np.arange(b), k)
    p = cross_val_predict(LogisticRegression(max_iter=1000), X, y, groups=who,
                          cv=GroupKFold(5), method='predict_proba')[:,1]
    return torch.from_numpy(p).view(b, k)

base = logistic(log(peak)); mean = wide(peak.mean(1)); both = log(own),log(wide(ins))
scores = {
    'peak':peak, 'keypoint anomaly':-own, 'person anomaly':-wide(ins),
    'keypoint x person anomaly':-own*wide(ins),
    'keypoint anomaly, bones weighed by peaks':-own_c,
    'person anomaly, bones weighed by peaks':-wide(ins_c),
    'peak x structure weight':peak*priors.weights(kp),
    'peak / (1 + person anomaly)':peak/(1+wide(ins)), 'mean peak of the person':mean,
    'logistic: peak':base, 'logistic: peak, keypoint anomaly':logistic(log(peak), log(own)),
    'logistic: peak, keypoint and person anomaly':logistic(log(peak), *both),
    'logistic: peak, mean peak':logistic(log(peak), log(mean)),
    'logistic: peak, mean peak, keypoint and person anomaly':logistic(log(peak), log(mean), *both)}

boots = [rng.integers(0, b, b) for _ in range(300)]
R = lambda x: round(float(x), 4)
ci = lambda f: [R(q) for q in np.percentile([f(i) for i in boots], [2.5,97.5])]
def row(n, s):
    ref = base if n.startswith('logistic') else peak
    within = np.mean([roc_auc_score(right[:,j][known[:,j]], s[:,j][known[:,j]]) for j in range(k)])
    return dict(score=n, auc=R(auc(s)), auc_ci=ci(lambda i: auc(s, i)), within_joint=R(within),
                minus_peak=R(auc(s)-auc(ref)), minus_peak_ci=ci(lambda i: auc(s, i)-auc(ref, i)))
rows = [row(n, s) for n,s in scores.items()]

# what the weights do, people by anomaly, sides exchanged, and how plausible wrong answers are
acc = lambda m: R(right[m&known].mean())
share = lambda m: R(m.float().mean())
w = priors.weights(kp); fifths = ins.argsort().chunk(5)
judges = ('peak', 'peak x structure weight', 'logistic: peak',
          'logistic: peak, keypoint and person anomaly')
kept = {f'{c:.0%} kept':{n:acc(scores[n]>=scores[n].flatten().quantile(1-c)) for n in judges}
        for c in (.25,.5,.75)}
a,s = (is_correct(p, hid.kpts, hid.vis, torso_scale(hid.kpts, hid.vis, sk)).nanmean(1)
       for p in (kp,kp[:,sk.flip_index]))
truth,x_t = priors.anomaly(hid.kpts)[0],priors.measure(hid.kpts)[0]
forms = dict(one_sided={}, two_sided=dict(two_sided=True), vonmises=dict(angle='vonmises'))
loss = lambda p,kw: {n:R(v) for n,v in Priors.fit(lab.kpts, lab.vis, sk, **kw)(p).items()}
poses = {'labels':lab.kpts, 'hidden truth':hid.kpts, 'answers':kp}
summary = dict(people=b, labels=len(lab), pck=acc(known),
    pck_best_naming_of_sides=R(torch.maximum(a, s).mean()), share_better_with_sides_exchanged=share(s>a),
    accuracy_by_fifth_of_person_anomaly=[acc(torch.zeros_like(known).index_fill(0, i, True)) for i in fifths],
    weight_right=R(w[right==1].mean()), weight_wrong=R(w[right==0].mean()),
    accuracy_where_weight_1=acc(w==1), share_weight_1=share(w==1),
    accuracy_where_weight_below_half=acc(w<.5), share_weight_below_half=share(w<.5), kept_accuracy=kept,
    drifted={n:R(priors.drifted_share(p)) for n,p in poses.items()},
    auc_answers_against_truth=R(roc_auc_score([0]*b+[1]*b, torch.cat([truth,ins]))),
    true_bones_punished=dict(two_sided=share((x_t-1).abs()>.1), from_1=share(x_t-1>.1),
                             from_limit=share(x_t-priors.bone_hi>.1)),
    losses={n:{f:loss(p, kw) for f,kw in forms.items()} for n,p in poses.items()})

git = subprocess.run(['git','rev-parse','HEAD'], capture_output=True, text=True, cwd=Path(__file__).parent)
out = dict(command='python studies/priors_lsp14.py DATA runs/calibration/all',
           version=sagepose.__version__, device='cpu',
           commit=git.stdout.strip() if git.returncode==0 else None,
           date=str(datetime.date.today()), model=meta['model'], crop=list(crop), summary=summary, rows=rows)
args.out.write_text(json.dumps(out, indent=1)+'\n')
for r in rows: print(f"{r['score']:58s} {r['auc']:.3f} {r['auc_ci']}  within joint {r['within_joint']:.3f}  "
                     f"{r['minus_peak']:+.3f} {r['minus_peak_ci']}")
print(json.dumps(summary, indent=1))
