"""What two teachers make of a poor detector's boxes, on photos whose people are known.

    python studies/boxes.py COCO.json RUN [RUN ...] [--name coco] [--results results] [--people 0]

COCO.json has labelled people, of any skeleton that shares names of joints with the runs (folders that
`sagepose train` or a study wrote). Its boxes are moved, stretched, doubled, and joined by boxes around nobody
(`noisy_detections`, seed 0 for the first run, 1 for the second, ...); then `Labeller` is asked. Written are, for each
run and each way, AP of the boxes, how many people are found, how many of them twice, how many boxes hold nobody, and
how many joints are right (PCK@.2) in boxes that hold somebody, also of those whom the teachers are sure of, and of the others."""
import argparse, csv, json
from dataclasses import replace
from datetime import date
from pathlib import Path
import numpy as np, torch
from sagepose.boxes import Labeller, box_ap, noisy_detections, pose_boxes, pose_nms, _inside
from sagepose.data import overlap, read_coco
from sagepose.metrics import pck, pck_scale
from sagepose.runs import versions

def right(e, ps, sk):
    "PCK@.2 of the joints that `ps` and the network share"
    a,b = zip(*[(i,ps.sk.names.index(n)) for i,n in enumerate(sk.names) if n in ps.sk.names])
    kp,gt,vis = (torch.as_tensor(o) for o in (e['kpts'], ps.kpts, ps.vis))
    return pck(kp[:,list(a)], gt[:,list(b)], vis[:,list(b)], pck_scale(gt, vis, ps.sk)).item()

def measure(det, own, keep, ps):
    "Numbers of the detections `keep`"
    o = own[keep]; who = o[o>=0]
    return dict(box_ap(det[keep], ps), people=len(set(who))/len(ps), double=(len(who)-len(set(who)))/len(ps),
                nobody=float((o<0).sum()/max((own<0).sum(), 1)))

def one(run, ps, seed):
    "{way: {measure: value}} of a run"
    l = Labeller(run, 'cpu'); det,own = noisy_detections(ps, seed); on = own>=0; true = ps[own[on]]; sk = l.sk
    all_,none,out = np.ones(len(own), bool),np.zeros((len(own),1)),{}
    out['as found'] = dict(measure(det, own, all_, ps), iou=overlap(det.boxes[on], true.boxes).mean())
    plain = pose_nms(none[...,None], none, det.boxes, det.scores, det.image_ids, [1.], .5, 'overlap')
    out['suppressed by overlap'] = measure(det, own, plain, ps)
    e = l.look(det); pick = lambda m: {n:v[m] for n,v in e.items()}
    out['as found']['pck'] = right(pick(on), true, sk); d = det
    for twice in (False,True):
        conf = e['conf'].mean(1); s = replace(d, scores=(conf*det.scores).astype(np.float32)); args = e['kpts'],e['conf']
        better = lambda t: replace(s, boxes=_inside(pose_boxes(*args, d.boxes, l.margins, t), d.boxes, d.files))
        new = better(.5); n = lambda by: pose_nms(*args, new.boxes, s.scores, s.image_ids, sk.sigmas, .4, by)
        sure = l.there(e['p'].mean(1)); way = 'all of it'+', twice'*twice
        out[way] = dict(measure(new, own, n('both')&sure, ps), iou=overlap(new.boxes[on], true.boxes).mean())
        if twice: break
        out['scored'] = measure(s, own, plain, ps)
        out['scored, new boxes'] = measure(new, own, plain, ps)
        out['scored, boxes of keypoints alone'] = measure(better(1.), own, plain, ps)
        out |= {f'scored, new boxes, suppressed by {by}':measure(new, own, n(by), ps) for by in ('oks','overlap','both')}
        for k,m in (('right_sure',sure),('right_unsure',~sure)): out[way][k] = right(pick(on&m), ps[own[on&m]], sk)
        d = new; e = l.look(d); out[way]['pck'] = right(pick(on), true, sk)
    out['true boxes'] = dict(pck=right(l.look(ps), ps, sk), iou=1.)
    return out

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('coco'); p.add_argument('runs', nargs='+'); p.add_argument('--name', default='coco')
    p.add_argument('--results', default='results'); p.add_argument('--people', type=int, default=0)
    a = p.parse_args(); ps = read_coco(a.coco); ps = ps[:a.people] if a.people else ps; rows = []
    for s,r in enumerate(a.runs):
        rows += [dict(way=w, run=s, metric=m, value=round(float(v), 5)) for w,d in one(r, ps, s).items() for m,v in d.items()]
        print(f'{r}: done', flush=True)
    Path(a.results).mkdir(exist_ok=True); f = Path(a.results)/f'boxes_{a.name}'
    with open(f'{f}.csv', 'w', newline='') as o:
        w = csv.DictWriter(o, list(rows[0]), lineterminator='\n'); w.writeheader(); w.writerows(rows)
    f.with_suffix('.json').write_text(json.dumps(dict(people=len(ps), pictures=len(set(ps.files)), runs=len(a.runs),
        command=f'python studies/boxes.py {Path(a.coco).name} RUN ... --name {a.name}'+f' --people {a.people}'*(a.people>0),
        version=versions()['sagepose'], device='cpu', date=str(date.today())), indent=1))
    for w in dict.fromkeys(r['way'] for r in rows):
        print(f'{w:34}', *(f"{m} {100*np.mean([r['value'] for r in rows if r['way']==w and r['metric']==m]):.1f}"
                           for m in dict.fromkeys(r['metric'] for r in rows if r['way']==w)))

if __name__=='__main__': main()
