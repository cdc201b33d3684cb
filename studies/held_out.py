"""Does a correctness model fitted to held-out labels keep meaning what it says while the network trains on?

    python studies/held_out.py DATA [--steps 300] [--seed 0]

DATA as in lsp14.py. One semi-supervised run on 100 labels at 64 pixels, 20 of them kept back; after each
epoch with pseudo-labels the same beliefs about 300 unlabelled people, whose labels are hidden, are judged
by the raw peak, by a model fitted at the first pseudo-label and left alone, by one fitted anew in each
epoch, and by one fitted to the labels that the network learns from. Writes results/held_out.json: ECE and
AUC of each, epoch by epoch."""
import argparse, copy, json
from pathlib import Path
import torch, fastai.basics
from fastai.callback.core import Callback
from sagepose.calibration import *
from sagepose.config import *
from sagepose.metrics import *
from sagepose.training import *

class Watch(Callback):
    "Judge the same beliefs in four ways after each epoch"
    order,run_valid = 58,False
    def __init__(self, n=300): self.n,self.rows,self.first = n,[],None
    def after_train(self):
        p = self.learn.pseudo_labels
        if p.fit_at is None: return
        g,a = p._look(self.some, 1, 1, torch.Generator().manual_seed(1)); t = self.learn.task
        fresh,own = (copy.deepcopy(p.judge).cpu() for _ in range(2)); gen = torch.Generator().manual_seed(2)
        if self.first is None: self.first = copy.deepcopy(p.judge).cpu()
        for j,crops in ((fresh,self.back),(own,self.seen)):
            j.learn([p._look(crops, 1, s, gen) for s in range(4)], crops.kpts, crops.vis,
                    torso_scale(crops.kpts, crops.vis, t.sk))
        f,_ = fresh.fuse(g, a); r = [x[:self.n] for x in p.ref]; ok = is_correct(f.kpts, *r)
        ps = dict(peak=f.conf, first=self.first(g, a)['p'],
                  refitted=fresh(g, a)['p'], own_labels=own(g, a)['p'])
        row = dict(epoch=self.epoch+1, right=ok.nanmean().item(), mean_peak=f.conf.mean().item())
        self.rows.append(dict(row, **{k:dict(ece=round(ece(v, ok),4), auc=round(auc_score(v, ok),4))
                                      for k,v in ps.items()}))
        print(json.dumps(self.rows[-1]), flush=True)

if __name__=='__main__':
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('data')
    ap.add_argument('--steps', type=int, default=300); ap.add_argument('--seed', type=int, default=0)
    ap.add_argument('--results', default='results'); A = ap.parse_args(); d = Path(A.data)
    cfg = override(PoseConfig(), recipe='plain', labelled=d/'train.json', val=d/'val.json', pool=True,
        labelled_ids=d/f'splits/labels_100_seed{A.seed}.json',
        crop=(64,64), backbone='tf_efficientnet_lite0', pretrained='offline', levels=3, width=32, freeze=2,
        seed=A.seed, lr=5e-3, steps=A.steps, epoch_steps=A.steps//10, bs=12, ratio=1, views=1,
        stage1=.5, stage2=.5, decay_geo=.98, decay_app=.98, weak=.5, weak_rot=10,
        calibrate='logistic', hold=.2, hold_until=1., beta=0)
    w = Watch(); l = PoseTask(cfg).learner([w])
    t,p = l.task,l.pseudo_labels
    held,free = held_out(len(t.sets.labelled), cfg)
    w.some,w.back,w.seen = t.crops(t.sets.unlabelled[range(w.n)]),p.held,t.crops(t.sets.labelled[free])
    with l.no_bar(), l.no_logging(): fit(l)
    out = dict(command=f'python studies/held_out.py DATA --steps {A.steps} --seed {A.seed}',
               held=len(held), people=w.n, rows=w.rows)
    (Path(A.results)/'held_out.json').write_text(json.dumps(out, indent=1)+'\n')
