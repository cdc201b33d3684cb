"""Draw the picture of the front page, `nbs/images/step.jpg`: `python tools/picture.py`

Trains on generated people for a minute on two cores, into `runs/picture`, keeps the student as it was
before pseudo-labels started, and draws one unlabelled person for whom they helped: both beliefs, the fused
one, what is kept, the student before and after. With a number it draws that person of those helped most; a
run that is there is not trained again."""
import sys,warnings
from pathlib import Path
warnings.filterwarnings('ignore')
import matplotlib; matplotlib.use('agg')
import matplotlib.pyplot as plt, numpy as np, torch
from PIL import Image
from fastai.callback.core import Callback
from sagepose.people import write_people
from sagepose.config import PoseConfig,override,schedule
from sagepose.data import read_image,cut,crop_matrix
from sagepose.heatmaps import decode
from sagepose.models import heatmaps,save_model,load_model
from sagepose.runs import train
from sagepose.training import normalise
from sagepose.inspect import open_run,step_of,draw_weights
from sagepose.visuals import palette,show_pose,show_heatmaps

root,zoom = Path(__file__).resolve().parent.parent,3

class Before(Callback):
    "Save the student of the moment before pseudo-labels start"
    run_valid,done = False,False
    def __init__(self, folder): self.folder = folder
    def before_batch(self):
        t = self.learn.task
        if self.done or schedule(t.cfg, self.pct_train)[0]==0: return
        save_model(self.folder, self.model, t.sk, t.cfg.crop, t.cfg.margin); self.done = True

@torch.no_grad()
def answer(model, pl, t):
    return decode(heatmaps(model.eval()(normalise(pl['img'], t.mean, t.std)))[0], t.cfg.crop)

def error(kp, pl):
    "(b,) mean distance to the hidden labels in torso lengths, at most 1 each"
    ref,vis,s = pl['ref']
    return ((kp-ref).norm(dim=-1)/s[:,None]).clamp(max=1).mul(vis>0).sum(1)/(vis>0).sum(1)

def sharp(ps, i, crop):
    "The crop of person `i`, `zoom` times as fine"
    M = np.diag([zoom,zoom,1.])@crop_matrix(ps.boxes[i:i+1], crop)[0]
    return cut(read_image(ps.files[i]), M, [zoom*(s-1)+1 for s in crop])

def draw(pl, img, i, before, after):
    sk,js = pl['sk'],[pl['sk'].idx(n) for n in
                      'right_ankle left_ankle right_wrist left_wrist head_top'.split()]
    fig,axs = plt.subplots(1, 7, figsize=(12,2.55), dpi=120)
    show_pose(img, ax=axs[0], title='an unlabelled person')
    names = dict(geo='geometry', app='appearance', fused='fused')
    top = max(pl[n].hm[i,js].max().item() for n in names)
    for ax,(n,c) in zip(axs[1:], names.items()):
        show_heatmaps(img, pl[n].hm[i], sk, ax, top, js, 'fused' if n=='fused' else c+' believes', palette[c])
    big = dict(pl, img={i:img}, fused=pl['fused']._replace(kpts=pl['fused'].kpts*zoom))
    draw_weights(big, i, axs[4])
    for ax,(kp,conf),t in zip(axs[5:], (before,after), ('student, before','student, after')):
        show_pose(img, kp[i]*zoom, sk, ax=ax, title=t, frame=palette['student'])
    fig.subplots_adjust(.003, .01, .997, .91, .05)
    return fig

def run(out):
    "The run's folder, trained where it is not there yet"
    if (out/'run'/'metrics.json').exists(): return out/'run'
    p = write_people(out/'people', labelled=64, unlabelled=256, val=64, size=(288,216), skeleton='lsp14',
                     occlusion=.15, yaw=0, overwrite=True)
    cfg = override(PoseConfig(), recipe='plain', labelled=p/'labelled.json', unlabelled=p/'unlabelled.json', val=p/'val.json',
        reference=p/'unlabelled_reference.json', out=out/'run',
        backbone='tf_efficientnet_lite0', pretrained='offline', crop=(96,72), width=32, levels=3, freeze=2,
        steps=150, epoch_steps=30, bs=12, ratio=2, views=1, lr=1e-2, stage1=.5, stage2=.5,
        lab_rot=25, strong_rot=30, decay_geo=.95, decay_app=.97, weak=.5, device='cpu')
    return train(cfg, overwrite=True, cbs=[Before(out/'before')])

if __name__=='__main__':
    out,nth = root/'runs'/'picture',int(([*sys.argv,0])[1])
    learn = open_run(run(out), people=range(64)); pl,t = step_of(learn, range(64)),learn.task
    before,after = (answer(m, pl, t) for m in (load_model(out/'before')[0],learn.model))
    e0,e1,kept = error(before[0], pl),error(after[0], pl),(pl['w']>0).sum(1)
    print(f'mean error before {e0.mean():.3f}, after {e1.mean():.3f} torso lengths')
    i = torch.where((kept>9)&(kept<14)&(e1<.25), e0-e1, -1.).argsort(descending=True)[nth].item()
    draw(pl, sharp(t.sets.unlabelled, i, t.cfg.crop), i, before, after).savefig(
        f := root/'nbs'/'images'/'step.png')
    Image.open(f).convert('RGB').resize((1260,268), Image.LANCZOS).save(f.with_suffix('.jpg'), quality=90)
    f.unlink()
