"""Would a model of poses mend what the heatmaps say, before the gates see it?

    python studies/tree.py DATA [MODELS] [--seeds 0,1,2] [--size 128] [--labels 100] [--results results]

DATA     folder with train.json, val.json, splits/ (LSP as COCO keypoints, 14 joints)
MODELS   where the networks are, default runs/tree: LABELS_SIZE_SEED, trained on the labels of SEED as
         lsp14.py trains before its first pseudo-label; those that are missing are trained (four to seven
         minutes each at 128 pixels)

The labelled people and their mirror images say where one end of each limb lies, seen from the other: a
density over offsets, one kernel each. Beliefs, averaged with the mirrored picture's, exchange messages
along the limbs (sum-product, four rounds in parallel; the shoulders, hips and neck make loops), and each
keypoint is decoded from its belief times the messages: a pictorial structure (Felzenszwalb and
Huttenlocher 2005) over a network's heatmaps. `strength` is the power of the messages, `width` that of the
kernels in cells, `floor` the weight of the uniform density in them. Writes RESULTS/lsp14_tree.json: PCK as
it is and with each setting, for the 600 people of the pool and for the validation people."""
import warnings; warnings.filterwarnings('ignore')
import argparse, itertools, json, math
from datetime import date
from pathlib import Path
import numpy as np, torch, fastai.basics
from sagepose.data import *
from sagepose.heatmaps import *
from sagepose.metrics import *
from sagepose.priors import mirrored
from sagepose.runs import versions
import lsp14

settings = [dict(strength=s, width=w, floor=f) for s,w,f in itertools.product((.25,.5,1.), (1.,2.), (.3,1.))]

def kernels(c, hm, width, floor):
    "(e,2h-1,2w-1): how likely each offset, in cells, is of a limb's second end from its first, among the labelled `c`"
    H,W = hm; y,x = torch.arange(1-H,H).float(),torch.arange(1-W,W).float(); out = []
    kp,vis = (torch.cat(t) for t in zip((c.kpts,c.vis), mirrored(c.kpts, c.vis, c.ps.sk)))
    kp = to_hm(kp.float(), c.crop, hm)
    for i,j in c.ps.sk.limbs:
        d = (kp[:,j]-kp[:,i])[(vis[:,i]>0)&(vis[:,j]>0)]; s = width*(1+.12*d.norm(dim=-1))   # longer ones are vaguer
        g = lambda t,v: torch.exp(-(t-v[:,None])**2/(2*s[:,None]**2))/(s[:,None]*math.sqrt(2*math.pi))
        out.append(torch.einsum('nh,nw->hw', g(y, d[:,1]), g(x, d[:,0]))/max(len(d), 1)+floor/(H*W))
    return torch.stack(out)

def mend(h, limbs, k, strength, rounds=4):
    "Beliefs `h` (b,k,h,w) times the messages of their neighbours"
    H,W = h.shape[-2:]; i,j = torch.tensor(limbs).T; n = len(i); big = 3*H,3*W
    src,dst,back = torch.cat([i,j]),torch.cat([j,i]),torch.arange(2*n).roll(n)
    f = torch.fft.rfft2(torch.cat([k, k.flip(-1,-2)]), big)
    unary = (h.clamp(min=0)**2+.01).log(); m = h.new_zeros(len(h), 2*n, H, W)
    norm = lambda t: (t-t.amax((-1,-2), keepdim=True)).exp()
    for _ in range(rounds):
        x = norm(unary.index_add(1, dst, strength*m)[:,src]-strength*m[:,back]); x = x/x.sum((-1,-2), keepdim=True)
        y = torch.fft.irfft2(torch.fft.rfft2(x, big)*f, big)[...,H-1:2*H-1,W-1:2*W-1].clamp(min=1e-9).log()
        m = y-y.amax((-1,-2), keepdim=True)
    return norm(unary.index_add(1, dst, strength*m))

def score(h, c):
    kp = decode(h, c.crop)[0]; s = torso_scale(c.kpts, c.vis, c.ps.sk)
    swapped = error_shares(error_kinds(kp, c.kpts, c.vis, s, c.ps.sk))[error_names.index('inversion')]
    return dict(pck=round(pck(kp, c.kpts, c.vis, s).item(), 4), inversion=round(swapped.item(), 4))

if __name__=='__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('data', type=Path)
    p.add_argument('models', nargs='?', type=Path, default=Path('runs/tree'))
    p.add_argument('--results', type=Path, default=Path('results'))
    for n,v in dict(seeds='0,1,2', size=128, labels=100).items(): p.add_argument(f'--{n}', type=type(v), default=v)
    a = p.parse_args(); torch.set_num_threads(1); a.results.mkdir(parents=True, exist_ok=True)
    rows,seeds = [],[int(s) for s in a.seeds.split(',')]
    everyone,val = (read_coco(a.data/f'{n}.json') for n in ('train','val'))
    for s in seeds:
        ids = str(lsp14.splits(a, a.models, seeds)).format(seed=s)
        net = lsp14.network(a.data, ids, a.models/f'{a.labels}_{a.size}_{s}', a.size, seed=s)
        mine = np.isin(everyone.image_ids, json.loads(Path(ids).read_text())); lab = Crops(everyone[mine], net.crop)
        hm = net.heat(lab.imgs[:1]).shape[-2:]; ks = [kernels(lab, hm, o['width'], o['floor']) for o in settings]
        for n,ps in dict(pool=everyone[~mine], val=val).items():
            c = Crops(ps, net.crop); h = torch.cat([net.heat(c.imgs[i:i+100], flip=True) for i in range(0,len(c),100)])
            rows.append(dict(seed=s, people=n, n=len(c), strength=0., **score(h, c)))
            for o,k in zip(settings, ks):
                q = torch.cat([mend(x, ps.sk.limbs, k, o['strength']) for x in h.split(50)])
                rows.append(dict(seed=s, people=n, n=len(c), **o, **score(q, c)))
                print(json.dumps(rows[-1]), flush=True)
    head = dict(command=f'python studies/tree.py DATA --seeds {a.seeds} --size {a.size} --labels {a.labels}',
                version=versions()['sagepose'], device='cpu', date=str(date.today()))
    (a.results/'lsp14_tree.json').write_text(json.dumps(dict(head, rows=rows), indent=1)+'\n')
