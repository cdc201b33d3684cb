"""Generated people facing the camera, other ones for each seed: 48 labels and thousands without,
at equal compute.

    python studies/generated.py [STUDY] [--seeds 0,1,2] [--arms "labels only,method,semi views=2"]
                                [--unlabelled 4000]

The sizes are those of `sagepose demo`, with more unlabelled people and a longer run; the numbers go to
results/. STUDY is one of `sagepose ablate --list`, default baselines. A killed study continues with the
same command, and several processes may share it with other --seeds or --arms."""
import argparse
import fastai.basics
from sagepose.ablations import generated, pick_arms, run_study, save_results

# labels until their curve is flat, then two learning-rate cycles, each after a sweep over everybody
recipe = dict(steps=1100, epoch_steps=50, stage1=3/11, stage2=3/11, rounds=2)

if __name__=='__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('study', nargs='?', default='baselines')
    for n,v in dict(seeds='0,1,2', arms='', unlabelled=4000, out='runs/generated', results='results',
                    devices='').items():
        p.add_argument(f'--{n}', type=type(v), default=v)
    a = p.parse_args(); seeds = [int(s) for s in a.seeds.split(',')]
    cfg = generated(a.out, seeds, False, dict(labelled=48, unlabelled=a.unlabelled, val=400), **recipe)
    rep = run_study(pick_arms(a.study, a.arms), cfg, a.out, seeds, a.study,
                    devices=a.devices.split(',') if a.devices else (),
                    command=f'python studies/generated.py {a.study} --seeds {a.seeds}'
                            +(f' --arms "{a.arms}"' if a.arms else ''))
    save_results(rep, a.results, f'generated_{a.study}')
