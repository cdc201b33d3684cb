"""Where a step makes the CPU wait for a GPU, on a real one, and whether both devices compute the same.

    python benchmarks/bench_waits.py

PyTorch warns of every operation that waits (`torch.cuda.set_sync_debug_mode`). Three steps in the middle of a
run are counted for each of twelve configurations, with the line that waited; `tests/waiting.py` counts the same
without a GPU. Then two short runs on the CPU and on the GPU, from the same seed: the first losses agree to a few
in a thousand, until chaos takes over, or noise, which each device draws itself."""
import collections, tempfile, traceback, warnings
from pathlib import Path
import torch
from fastai.callback.core import Callback
from sagepose.config import override, read_config
from sagepose.people import write_people
from sagepose.training import PoseTask, fit

cases = {'plain':'', 'mixed precision':'fp16=true', 'recipe=rounds':'recipe=rounds steps=24 epoch_steps=12',
    'cutmix, akm':'cutmix=.5 hide=akm cutout=4', 'cameras':'camera=.7', 'looks':'fda=.4 adain=.4',
    'structure':'priors=true structure=true silence=1.5 stage3=.1',
    'calibration':'calibrate=logistic trust=correct', 'visibility':'visibility=true seen=head align=true',
    'cross-entropy':'loss=ce', 'soft targets, own statistics':'target=soft own_stats=2 freeze_bn=true',
    'accumulation, clipping':'accum=2 clip=1'}

class Watch(Callback):
    "Has PyTorch warn in the steps 5 to 7 of the second epoch"
    order = -200
    def before_batch(self):
        if not (self.training and self.epoch==1): return
        if self.iter==5: torch.cuda.synchronize(); torch.cuda.set_sync_debug_mode('warn')
        if self.iter==8: torch.cuda.set_sync_debug_mode('default')

class Losses(Callback):
    order = 200
    def __init__(self): self.ls = []
    def after_batch(self):
        if self.training: self.ls.append(self.learn.loss.detach())

def run(cfg, cb):
    l = PoseTask(cfg).learner()
    with l.no_bar(), l.no_logging(): fit(l, cbs=[cb])

def waits(cfg):
    "Lines that wait, and how often"
    n = collections.Counter()
    def seen(m, cat, file, line, *_):
        if 'synchroniz' not in str(m) or 'torch/cuda/__init__' in file: return  # the latter is the mode's own
        at = [x for x in traceback.extract_stack() if 'sagepose' in x.filename][-1:]
        n[f'{Path(file).name}:{line}'+''.join(f' from {Path(x.filename).name}:{x.lineno}' for x in at)] += 1
    with warnings.catch_warnings():
        warnings.simplefilter('always'); warnings.showwarning = seen
        try: run(cfg, Watch())
        finally: torch.cuda.set_sync_debug_mode('default')
    return dict(n)

if __name__=='__main__':
    if not torch.cuda.is_available():
        raise SystemExit('PyTorch sees no GPU here; tests/waiting.py needs none')
    with tempfile.TemporaryDirectory() as d:
        people = write_people(Path(d)/'people', 64, 128, 16, size=(128,96), skeleton='lsp14')
        base = [f'{n}={people}/{n}.json' for n in ('labelled','unlabelled','val')]
        base += '''recipe=plain crop=128,96 backbone=resnet18 pretrained=none steps=24 epoch_steps=12 bs=8 ratio=4 stage1=.1
                   stage2=.1 ramp=0'''.split()
        for n,more in cases.items():
            print(f'{n:30}', waits(read_config(overrides=base+more.split())) or 'never', flush=True)
        torch.backends.cudnn.allow_tf32 = False
        small = dict(crop='64,48', bs=4, ratio=2, steps=16, epoch_steps=8)
        for more in ('', 'recipe=rounds rounds=1 sweep_views=2'):
            for dev in ('cpu','cuda'):
                l = Losses()
                run(override(read_config(overrides=base+more.split()), **small, device=dev), l)
                print(f'{dev:5} {more or "plain":40}', ' '.join(f'{float(x):.4f}' for x in l.ls[:6]), flush=True)
