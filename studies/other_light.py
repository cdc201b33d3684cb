"""Labels from daylight, unlabelled people and those of validation at night: what is lost, what semi-supervision
brings back, and whether lending labelled crops the look of the night (FDA, AdaIN) helps.

    python studies/other_light.py [--seeds 0,1,2] [--arms "labels only,method"] [--light night] [--short]

Generated people in the sizes of `sagepose demo`, other ones for each seed. `night` is a quarter of the light,
bluish, with the noise of a sensor; `fog` a grey veil that leaves a seventh of the contrast; `day` only compresses
once more and is the control; --short takes seconds an arm and shows that it works. The numbers go to
results/other_light_LIGHT.*. A killed study continues with the same command, and several processes may share it
with other --seeds or --arms."""
import argparse, json, os, shutil, sys
from pathlib import Path
import cv2, numpy as np, fastai.basics
from filelock import FileLock
from sagepose.ablations import Study, generated, pick_arms, run_study, save_results, studies

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

def move(people, light):
    """Put the unlabelled people and those of validation in the folder `people` into another light, once;
    all pictures together, so that a kill leaves none that is moved twice"""
    done = people/f'{light}.done'
    with FileLock(f'{people}.light.lock'):
        if done.exists(): return
        if other := [f.stem for f in people.glob('*.done')]: sys.exit(f'{people}: is in the light {other[0]}; choose another --out')
        names = {im['file_name'] for n in ('unlabelled','val')
                 for im in json.loads((people/f'{n}.json').read_text())['images']}
        part,old = people/'images.part',people/'images.old'
        if old.exists(): shutil.rmtree(people/'images', ignore_errors=True); os.replace(old, people/'images')
        shutil.rmtree(part, ignore_errors=True); shutil.copytree(people/'images', part)
        for i,n in enumerate(sorted(names)):
            x = cv2.imread(str(people/n))[...,::-1]; f = part/Path(n).relative_to('images')
            f.write_bytes(cv2.imencode(f.suffix, relight(x, light, i)[...,::-1])[1].tobytes())
        os.replace(people/'images', old); os.replace(part, people/'images'); done.touch(); shutil.rmtree(old)

if __name__=='__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for n,v in dict(seeds='0,1,2', arms='', out='', results='results').items(): p.add_argument(f'--{n}', default=v)
    p.add_argument('--light', choices=lights, default='night'); p.add_argument('--short', action='store_true')
    a = p.parse_args(); seeds = [int(s) for s in a.seeds.split(',')]; out = Path(a.out or f'runs/{a.light}')
    cfg = generated(out, seeds, a.short)
    for s in seeds: move(out/f'people{s}', a.light)
    rep = run_study(pick_arms('other_light', a.arms), cfg, out, seeds, 'other_light', command='python studies/other_light.py'
                    +f' --light {a.light} --seeds {a.seeds}'+' --short'*a.short+(f' --arms "{a.arms}"' if a.arms else ''))
    save_results(rep, a.results, f'other_light_{a.light}')
