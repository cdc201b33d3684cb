"""Labels from daylight, unlabelled people and those of validation at night: what is lost, what semi-supervision
brings back, and whether lending labelled crops the look of the night (FDA, AdaIN) helps.

    python studies/other_light.py [--seeds 0,1,2] [--arms "labels only,method"] [--light night] [--short]

Generated people in the sizes of `sagepose demo`, other ones for each seed. `night` is a quarter of the light,
bluish, with the noise of a sensor; `fog` a grey veil that leaves a seventh of the contrast; `day` only compresses
once more and is the control; --short takes seconds an arm and shows that it works. The numbers go to
results/other_light_LIGHT.*. A killed study continues with the same command, and several processes may share it
with other --seeds or --arms."""
import argparse, json, os, shutil
from pathlib import Path
import cv2, numpy as np, fastai.basics
from filelock import FileLock
from sagepose.ablations import Study, generated, pick_arms, run_study, save_results, studies
from sagepose.config import override

# factor and offset of red, green and blue, and the deviation of the noise
lights = dict(night=((.2,.22,.3), (0,0,0), 5.), fog=((.15,.15,.2), (90,90,90), 0.), day=((1,1,1), (0,0,0), 0.))

studies['other_light'] = Study('Labels by day, everybody else at night: what helps?', {
    'labels only':'labels',
    'nothing kept':'semi gate=fixed fixed=1',
    'nothing kept, FDA':'semi gate=fixed fixed=1 fda=.5',
    'method':'semi', 'method, FDA':'semi fda=.5', 'method, AdaIN':'semi adain=.5'},
    'method', ('use',), ('coverage','accuracy','kept_accuracy'))

def relight(x, light, seed):
    "The picture `x` (H,W,3) uint8, RGB, in another light"
    a,b,noise = lights[light]
    y = x*np.float32(a)+np.float32(b)+noise*np.random.default_rng(seed).standard_normal(x.shape, np.float32)
    return y.round().clip(0,255).astype(np.uint8)

def relit(day, people, light):
    "The folder `people`: that of `day` with the unlabelled people and those of validation in another light"
    with FileLock(f'{people}.lock'):
        if people.exists(): return
        part = people.with_name(f'{people.name}.part'); shutil.rmtree(part, ignore_errors=True); shutil.copytree(day, part)
        names = {im['file_name'] for n in ('unlabelled','val')
                 for im in json.loads((part/f'{n}.json').read_text())['images']}
        for i,n in enumerate(sorted(names)):
            f = part/n; x = cv2.imread(str(f))[...,::-1]
            f.write_bytes(cv2.imencode(f.suffix, relight(x, light, i)[...,::-1])[1].tobytes())
        os.replace(part, people)

if __name__=='__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for n,v in dict(seeds='0,1,2', arms='', out='runs', results='results').items(): p.add_argument(f'--{n}', default=v)
    p.add_argument('--light', choices=lights, default='night'); p.add_argument('--short', action='store_true')
    a = p.parse_args(); seeds = [int(s) for s in a.seeds.split(',')]; out = Path(a.out)/a.light
    cfg = generated(out/'day', seeds, a.short)
    for s in seeds: relit(out/f'day/people{s}', out/f'people{s}', a.light)
    files = ('labelled','unlabelled','reference','val')
    cfg = override(cfg, 'study', **{k:out/'people{seed}'/Path(getattr(cfg, k)).name for k in files})
    rep = run_study(pick_arms('other_light', a.arms), cfg, out, seeds, 'other_light', command='python studies/other_light.py'
                    +f' --light {a.light} --seeds {a.seeds}'+' --short'*a.short+(f' --arms "{a.arms}"' if a.arms else ''))
    save_results(rep, a.results, f'other_light_{a.light}')
