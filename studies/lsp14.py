"""100 real labels: LSP's training half, its hidden labels, and LSP-extended on demand, at equal compute.

    python studies/lsp14.py DATA [STUDY] [--seeds 0,1,2] [--arms "labels only,method,semi views=2"]
                            [--size 128] [--lspet 1500] [--looks 4] [--camera 0] [--people 6000]
                            [--extra .5] [--test OTHER.json] [--set "fp16=true"] [--devices cuda,cuda]

DATA is a folder with train.json, val.json, unlabeled.json, unlabeled_reference.json and
splits/labels_100_seed*.json, all COCO keypoints. For seeds without such a file labels are drawn. STUDY is
one of `sagepose ablate --list`, default baselines; --looks are the views of a person that a teacher
averages in a sweep; --camera the chance that a view of the student is seen through another camera; --test
is a COCO file to test on as well, of any skeleton that shares names of joints, and may be repeated.
--lspet are so many people of LSP-extended beside the pool, those that a network of the labels alone is
surest of; 1: all of them. With --people all arms start from a network that has learned from so many
generated people, in 611 steps of 36 (66 thousand F, which are not counted; --people_steps); with --extra
these people also stay that share of each labelled batch. --set are settings that all arms share (they are
not part of the results' name: --tag is); --devices with commas start a process each. A killed study continues
with the same command, and several processes may share it with other --seeds or --arms."""
import argparse, json, random, re, shutil, sys
from pathlib import Path
import numpy as np, torch, fastai.basics
from filelock import FileLock
from sagepose.ablations import pick_arms, run_study, save_results
from sagepose.config import PoseConfig, override, recipes
from sagepose.data import Crops, read_coco, write_coco
from sagepose.heatmaps import decode
from sagepose.models import save_model
from sagepose.people import write_people
from sagepose.predict import load
from sagepose.runs import train
from sagepose.skeleton import SagePoseError
from sagepose.training import PoseTask, fit

# labels until their curve is flat, then two learning-rate cycles, each after a sweep over everybody;
# the better 60 % of each joint
start = 470     # steps of stage 0, however long the run; half as many after generated people alone
def recipe(steps, first=start):
    s = min(first/steps, 1); return dict(recipe='rounds', bs0=36, stage1=s, stage2=s)

# with generated people to the end: as many labelled as unlabelled people, and at the same weight
mixed = dict(bs=36, ratio=1, lambda_u=1.)

def splits(a, out, seeds):
    """Write the image ids of the labels, a file for each seed: those of DATA, else drawn;
    the name with `{seed}`"""
    name = f'labels_{a.labels}_seed{{seed}}.json'
    to = Path(out)/'splits'; to.mkdir(parents=True, exist_ok=True)
    pool = sorted(im['id'] for im in json.loads((Path(a.data)/'train.json').read_text())['images'])
    for s in seeds:
        old,new = (p/name.format(seed=s) for p in (Path(a.data)/'splits',to))
        if old.exists(): shutil.copy(old, new)
        elif not new.exists(): new.write_text(json.dumps(sorted(random.Random(s).sample(pool, a.labels))))
    return to/name

def base(a, ids):
    d = Path(a.data); where = sure_folder(a) if a.lspet>1 else d
    more = dict(unlabelled=where/'unlabeled.json',
                reference=where/'unlabeled_reference.json',
                root=str(d) if a.lspet>1 else '') if a.lspet else {}
    if a.extra: more.update(mixed, extra=generated(a)/'labelled.json', extra_share=a.extra)
    own = dict(recipe(a.steps, start//2 if a.people and not a.extra else start), **more, sweep_views=a.looks,
        camera=a.camera, labelled_ids=ids, crop=(a.size,a.size), backbone='tf_efficientnet_lite0',
        pretrained='offline', levels=3, width=64, freeze=2, lr=a.lr, steps=a.steps, epoch_steps=47,
        init=str(people(a)) if a.people else '')
    own = dict(labelled=d/'train.json', val=d/'val.json', pool=True)|own
    return override(PoseConfig(), '--set', **own|dict(o.split('=',1) for o in getattr(a, 'set', '').split()))

# labels alone, as all arms learn before their first pseudo-label
alone = dict(pool=False, semi=False, rounds=0, fresh=False, bs=36, bs0=0, extra='')

def people(a): return Path(a.out)/(f'people{a.people}'+f'_{a.people_steps}'*(a.people_steps!=611))
def generated(a): return Path(a.out)/'generated'

def learn_people(a):
    "Train the network that learns from `a.people` generated people alone, if it is not there"
    to = people(a)
    with FileLock(f'{to}.lock'):    # other processes wait
        d = generated(a)
        if not d.exists(): write_people(d, a.people, 8, 300, (a.size,a.size), 'lsp14', seed=77)
        if (to/'metrics.json').exists(): return
        files = dict(labelled=d/'labelled.json', val=d/'val.json', unlabelled='', reference='', root='')
        train(override(base(a, ''), **alone, **files, init='', steps=a.people_steps, out=to), overwrite=True)

def network(data, ids, to, size=128, steps=start, seed=0, set=''):
    """The `Predictor` in the folder `to`, of the labels `ids` alone; trained as before the first pseudo-label
    if it is not there"""
    if not (to/'model.safetensors').exists():
        a = argparse.Namespace(data=data, size=size, steps=steps, lr=1e-2, lspet=0, looks=1, camera=0.,
                               people=0, extra=0, set=set)
        l = PoseTask(override(base(a, ids), **alone, seed=seed)).learner()
        with l.no_bar(),l.no_logging(): fit(l)
        save_model(to, l.teachers.app.module, l.task.sk, l.task.cfg.crop)
    return load(to, 'cpu')

def sure_folder(a): return Path(a.out)/f'sure{a.lspet}_{{seed}}'

def surest(a, ids, seed):
    """Write the `a.lspet` people of LSP-extended whose mean peak is highest, as COCO files;
    the peaks are those of a network of the labels `ids` alone"""
    d,to = Path(a.data),Path(str(sure_folder(a)).format(seed=seed)); names = 'unlabeled','unlabeled_reference'
    if all((to/f'{n}.json').exists() for n in names): return
    net = network(a.data, ids, to/'network', a.size, seed=seed, set=a.set)
    sets = [read_coco(d/f'{n}.json', net.sk, labelled=n!=names[0]) for n in names]
    c = Crops(sets[0].unlabel(), net.crop)
    peaks = [decode(net.heat(c.imgs[i:i+500], flip=True), net.crop)[1] for i in range(0, len(c), 500)]
    keep = sets[0].image_ids[torch.cat(peaks).mean(1).argsort(descending=True)[:a.lspet]]
    for n,ps in zip(names, sets):
        write_coco(ps[np.isin(ps.image_ids, keep)], to/f'{n}.json', root=d)

# what has an option of its own, or is the study's to choose
taken = dict(steps='--steps', lr='--lr', camera='--camera', sweep_views='--looks', crop='--size', extra='--extra',
             extra_share='--extra', init='--people', unlabelled='--lspet', labelled_ids='--labels', seed='--seeds', out='--out')

def refuse(p, a):
    "The seeds; ends with a message where an option makes no sense"
    if not all(re.fullmatch('[0-9]+', s.strip()) for s in a.seeds.split(',')): p.error(f'--seeds={a.seeds}: give numbers, e.g. 0,1,2')
    if not (Path(a.data)/'train.json').is_file(): p.error(f'{a.data}: has no train.json; see above what DATA holds')
    n = len(json.loads((Path(a.data)/'train.json').read_text())['images'])
    if not 0<a.labels<n: p.error(f'--labels={a.labels}: between 1 and {n-1} of the {n} people of train.json')
    if re.search(r'[/\\]', a.tag): p.error(f'--tag={a.tag}: is part of a file name')
    if a.extra and not a.people: p.error('--extra needs --people, which draws them')
    for o in a.set.split():
        if '=' not in o: p.error(f'--set: {o!r} is not key=value')
        if to := taken.get(o.split('=')[0]): p.error(f'--set: {o!r} would be half used; there is {to}')
    return [int(s) for s in a.seeds.split(',')]

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('data'); p.add_argument('study', nargs='?', default='baselines')
    for n,v in dict(seeds='0,1,2', arms='', size=128, steps=1034, labels=100, lr=1e-2, lspet=0, looks=8,
                    people=0, people_steps=611, extra=0., camera=recipes['rounds']['camera'], out='',
                    results='results', devices='', set='', tag='').items():
        p.add_argument(f'--{n}', type=type(v), default=v)
    p.add_argument('--test', action='append', default=[])
    a = p.parse_args(); seeds = refuse(p, a)
    name = (f'lsp14_{a.labels}_{a.size}'+'_lspet'*(a.lspet>0)+f'{a.lspet}'*(a.lspet>1)
            +f'_people{a.people}'*(a.people>0)+'_extra'*(a.extra>0)+f'_{a.steps}'*(a.steps!=1034)
            +f'_{a.tag}'*(a.tag!=''))
    a.out = a.out or f'runs/{name}'; ids = splits(a, a.out, seeds)
    said = (f'python studies/lsp14.py DATA {a.study} --seeds {a.seeds} --size {a.size} --steps {a.steps} '
            f'--labels {a.labels} --lspet {a.lspet} --looks {a.looks} --camera {a.camera}'
            +f' --lr {a.lr}'*(a.lr!=1e-2)+f' --people {a.people}'*(a.people>0)
            +f' --people_steps {a.people_steps}'*(a.people_steps!=611)
            +f' --extra {a.extra}'*(a.extra>0)+f' --set "{a.set}"'*(a.set!='')+f' --tag {a.tag}'*(a.tag!=''))
    if a.people: learn_people(a)
    for s in seeds*(a.lspet>1): surest(a, str(ids).format(seed=s), s)
    rep = run_study(pick_arms(a.study, a.arms), base(a, ids), a.out, seeds, a.study,
                    tests=a.test, devices=a.devices.split(',') if a.devices else (),
                    command=said+(f' --arms "{a.arms}"' if a.arms else '')+' --test OTHER.json'*len(a.test))
    save_results(rep, a.results, f'{name}_{a.study}')

if __name__=='__main__':
    try: main()
    except SagePoseError as e: sys.exit(f'lsp14.py: {e}')
