"""Do better boxes make a better model? Generated people, several in a picture, and a poor detector.

    python studies/two_stage.py [--seeds 0,1,2] [--out runs/two_stage] [--results results] [--steps 520]

24 labelled people, 500 pictures of three people without labels, 300 people to validate with. The unlabelled people come
as a poor detector's boxes (`noisy_detections`), as what two teachers who learned the labels alone make of these
(`Labeller`, once), or in their true boxes; then the same run learns from each. Seeds draw other people. The network that
cleans the boxes, half as long as the run, is not on the bill; a finished run is not made again."""
import argparse, csv, json
from datetime import date
from pathlib import Path
import numpy as np
from sagepose.boxes import Labeller, noisy_detections
from sagepose.cli import demo_config
from sagepose.config import PoseConfig, labels_only, override
from sagepose.data import read_coco, write_coco
from sagepose.metrics import mean_ci, paired_ci
from sagepose.people import write_people
from sagepose.runs import train, versions

arms = 'noisy boxes','cleaned boxes','true boxes'

def run(cfg):
    "Metrics of the run `cfg`, made if it is not there"
    f = Path(cfg.out)/'metrics.json'
    go = (Path(cfg.out)/'checkpoint').exists()
    if not f.exists(): train(cfg, resume=go, overwrite=not go)
    return json.loads(f.read_text())

def files(d, seed):
    "The three files of unlabelled people, those of the first written if they are not there"
    if not d.exists():
        write_people(d, 8, 500, 100, (144,200), 'lsp14', seed=100+seed, n_people=3, occlusion=.15, yaw=0, fill=(.5,.8))
    true = d/'unlabelled_reference.json'; noisy = d/'noisy.json'
    if not noisy.exists(): write_coco(noisy_detections(read_coco(true), seed)[0], noisy)
    return noisy,d/'cleaned.json',true

def study(seed, out, steps):
    "Rows of a seed"
    o = Path(out)/f'seed{seed}'; d = o/'people'; noisy,cleaned,true = files(d, seed); rows = []
    c = override(PoseConfig(), 'two_stage', **dict(demo_config()[1], steps=steps, epoch_steps=steps//10, seed=seed,
        labelled=d/'labelled.json', val=d/'val.json', unlabelled=noisy, device='cpu'))
    alone = labels_only(override(c, steps=steps//2, out=o/'alone')); m = run(alone)
    rows.append(dict(arm='before', seed=seed, metric='pck', value=m['pck']))
    if not cleaned.exists():
        r = Labeller(alone.out, 'cpu')(read_coco(noisy, 'lsp14', labelled=False)); write_coco(r.people, cleaned)
    n = len(read_coco(true, labelled=False))
    for arm,f in zip(arms, (noisy, cleaned, true)):
        m = run(override(c, unlabelled=f, out=o/arm.split()[0]))
        rows += [dict(arm=arm, seed=seed, metric=k, value=round(float(v), 5)) for k,v in
                 dict(pck=m['pck'], best=m['best']['pck'], F=m['compute']['F'], boxes=m['unlabelled']/n).items()]
    return rows

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--seeds', default='0,1,2'); p.add_argument('--out', default='runs/two_stage')
    p.add_argument('--results', default='results'); p.add_argument('--steps', type=int, default=520); a = p.parse_args()
    rows = [r for s in a.seeds.split(',') for r in study(int(s), a.out, a.steps)]
    get = lambda arm,m: np.array([r['value'] for r in rows if (r['arm'],r['metric'])==(arm,m)])
    for arm in arms:
        print(f'{arm:14}', 'pck', mean_ci(100*get(arm,'pck')), 'minus noisy', paired_ci(100*get(arm,'pck'), 100*get(arms[0],'pck')),
              'best', mean_ci(100*get(arm,'best')), 'F', get(arm,'F').mean(), 'boxes a person', get(arm,'boxes').mean().round(2))
    Path(a.results).mkdir(exist_ok=True); f = Path(a.results)/'two_stage'
    with open(f'{f}.csv', 'w', newline='') as o:
        w = csv.DictWriter(o, list(rows[0]), lineterminator='\n'); w.writeheader(); w.writerows(rows)
    f.with_suffix('.json').write_text(json.dumps(dict(
        command=f'python studies/two_stage.py --seeds {a.seeds} --steps {a.steps}',
        version=versions()['sagepose'], device='cpu', date=str(date.today())), indent=1))

if __name__=='__main__': main()
