"""Generated people among the labelled ones, in every step to the end: 100 labels of LSP.

    python studies/mixed.py DATA [--seeds 0,1,2] [--arms labels,semi] [--people 6000] [--steps 987]
                            [--out runs/lsp14_100_128_people6000_987] [--results results]

DATA as in lsp14.py, which this continues: the same start from `--people` generated people, the same labels
and settings. Here the labelled set holds each of the 100 real people thirty times beside 3,000 of the
generated ones, so that half of each labelled batch is real. Arms: labels, that set alone; semi, the
method with it; both at the same compute. A run that is finished is not run again, several processes may
share the folder with other --seeds or --arms. Writes RESULTS/lsp14_100_128_mixed.json: PCK on the
validation people at each look."""
import warnings; warnings.filterwarnings('ignore')
import argparse, json
from dataclasses import replace
from datetime import date
from pathlib import Path
import torch, fastai.basics
from sagepose.config import labels_only, override
from sagepose.runs import read_csv, train, versions
import lsp14

times,generated = 30,3000

def absolute(d, root):
    "The COCO dictionary `d` with names that do not depend on where it lies"
    return dict(d, images=[dict(i, file_name=str(Path(root).resolve()/i['file_name'])) for i in d['images']])

def write(to, d, anns):
    "A COCO file of the annotations `anns`, each with a picture entry and an id of its own"
    im = {i['id']:i for i in d['images']}; n = 10**7
    to.write_text(json.dumps(dict(categories=d['categories'][:1],
        images=[dict(im[o['image_id']], id=n+i) for i,o in enumerate(anns)],
        annotations=[dict(o, id=n+i, image_id=n+i, category_id=d['categories'][0]['id'])
                     for i,o in enumerate(anns)])))
    return to

def sets(a, ids, people, to):
    "Files of the mixed labelled people and of the others of the pool"
    d,g = (absolute(json.loads((r/n).read_text()), r)
           for r,n in ((a.data,'train.json'), (people,'labelled.json')))
    to.mkdir(parents=True, exist_ok=True); mine = set(json.loads(Path(ids).read_text()))
    real,rest = ([o for o in d['annotations'] if (o['image_id'] in mine)==b] for b in (True,False))
    both = dict(d, images=d['images']+g['images'])
    return dict(labelled=write(to/'labelled.json', both, real*times+g['annotations'][:generated]),
                unlabelled=write(to/'unlabelled.json', d, rest), reference=to/'unlabelled.json')

def run(a, arm, seed, ids):
    "The rows of the log of one run, trained if it is not finished"
    out = Path(a.out)/f'mixed_{arm}@{seed}'
    if not (out/'metrics.json').exists():
        files = sets(a, str(ids).format(seed=seed), Path(a.out)/'generated', Path(a.out)/f'mixed@{seed}')
        cfg = override(lsp14.base(a, ''), pool=False, labelled_ids='', seed=seed, device='cpu', **files)
        people = len(json.loads(files['labelled'].read_text())['images'])
        cfg = cfg if arm=='semi' else labels_only(cfg, (people, a.pool-a.labels))
        train(replace(cfg, out=str(out)), overwrite=True)
    return [dict(arm=arm, seed=seed, step=int(r['step']), pck=round(r['pck'], 5))
            for r in read_csv(out/'log.csv')]

if __name__=='__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('data', type=Path)
    for n,v in dict(seeds='0,1,2', arms='labels,semi', people=6000, steps=987, labels=100,
                    out='runs/lsp14_100_128_people6000_987', results='results').items():
        p.add_argument(f'--{n}', type=type(v), default=v)
    a = p.parse_args(); torch.set_num_threads(1)
    for n,v in dict(size=128, lr=1e-2, lspet=0, looks=8, camera=.5, pool=700).items(): setattr(a, n, v)
    seeds = [int(s) for s in a.seeds.split(',')]; Path(a.out).mkdir(parents=True, exist_ok=True)
    ids = lsp14.splits(a, a.out, seeds); lsp14.learn_people(a)
    rows = [r for arm in a.arms.split(',') for s in seeds for r in run(a, arm, s, ids)]
    head = dict(command=f'python studies/mixed.py DATA --seeds {a.seeds} --arms {a.arms} --people {a.people} '
                        f'--steps {a.steps}', version=versions()['sagepose'],
                device='cpu', date=str(date.today()))
    (Path(a.results)/'lsp14_100_128_mixed.json').write_text(json.dumps(dict(head, rows=rows), indent=1)+'\n')
