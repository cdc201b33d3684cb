"""Generated people facing the camera, as in `sagepose demo`; people of their own for each seed.

    python studies/generated.py [STUDY] [--seeds 0,1,2] [--arms "labels only,method,semi views=2"]

The same as `sagepose ablate STUDY --demo`, and the numbers go to results/. STUDY is one of `sagepose ablate --list`."""
import argparse
import fastai.basics
from sagepose.ablations import generated, pick_arms, run_study, save_results

if __name__=='__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('study', nargs='?', default='baselines')
    for n,v in dict(seeds='0,1,2', arms='', out='runs/generated', results='results', devices='').items(): p.add_argument(f'--{n}', default=v)
    a = p.parse_args(); seeds = [int(s) for s in a.seeds.split(',')]
    rep = run_study(pick_arms(a.study, a.arms), generated(a.out, seeds, short=False), a.out, seeds, a.study, devices=a.devices.split(',') if a.devices else (),
                    command=f'python studies/generated.py {a.study} --seeds {a.seeds}'+(f' --arms "{a.arms}"' if a.arms else ''))
    save_results(rep, a.results, f'generated_{a.study}')
