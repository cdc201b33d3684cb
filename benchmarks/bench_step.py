"""One training step against the bare passes that it must contain.

    python benchmarks/bench_step.py [crop] [backbone] [workers]

Timed side by side, interleaved, in one process: a semi-supervised step, and the passes without which
there is no such step (the student forward and backward over the labelled crops and the strong views,
both teachers forward). The ratio says what the method's own work costs: decoding and photometric work
in the loader, warps, fusion, gates, targets, the optimiser and both EMA updates. Also: how many people
a second the loader gives against how many a step consumes."""
import sys, tempfile, time
from pathlib import Path
import torch
from fastai.callback.core import Callback, CancelFitException
from sagepose.config import PoseConfig, override
from sagepose.data import endless
from sagepose.people import write_people
from sagepose.training import PoseTask, fit

size = int(sys.argv[1]) if len(sys.argv)>1 else 96
backbone = sys.argv[2] if len(sys.argv)>2 else 'resnet18'
workers = int(sys.argv[3]) if len(sys.argv)>3 else 0
steps = 10 if not workers else 60      # what workers have ready at the start is soon used up

def median(ts): return sorted(ts)[len(ts)//2]
def wait():
    if torch.cuda.is_available(): torch.cuda.synchronize()

with tempfile.TemporaryDirectory() as d:
    root = write_people(Path(d)/'people', 64, 256, 8, size=(size,size), skeleton='lsp14')
    cfg = override(PoseConfig(), recipe='plain',
                   labelled=root/'labelled.json', unlabelled=root/'unlabelled.json',
                   val=root/'val.json', crop=(size,size), backbone=backbone, pretrained='none',
                   stage1=0, stage2=0, ramp=0, bs=8, ratio=4, views=2, steps=1000, workers=workers)
    learn = PoseTask(cfg).learner(); b,u = cfg.bs,cfg.bs*cfg.ratio; dev = learn.dls.device
    x = torch.randn(b+u*cfg.views, 3, size, size, device=dev).contiguous(memory_format=torch.channels_last)
    def student(): learn.model(x).square().mean().backward(); learn.opt.zero_grad(); wait()
    @torch.no_grad()
    def teachers():
        for t in (learn.teachers.geo,learn.teachers.app): t.module(x[:u])
        wait()

    class Probe(Callback):
        "Time each step of a real fit from batch to batch, and the bare passes right after it"
        order,ts = 1000,dict(step=[], student=[], teachers=[])
        def before_train(self): self.t = time.perf_counter()
        def after_batch(self):
            wait(); self.ts['step'].append(time.perf_counter()-self.t)
            for n,f in dict(student=student, teachers=teachers).items():
                t = time.perf_counter(); f(); self.ts[n].append(time.perf_counter()-t)
            if len(self.ts['step'])==steps: raise CancelFitException
            self.t = time.perf_counter()

    with learn.no_bar(), learn.no_logging(): fit(learn, cbs=[Probe()])
    s,st,te = (median(Probe.ts[n][2 if not workers else 30:]) for n in ('step','student','teachers'))
    it2 = iter(endless(learn.pseudo_labels.data, u)); next(it2); t = time.perf_counter()
    for _ in range(4): next(it2)
    load = (time.perf_counter()-t)/4
    print(f'{backbone} at {size}x{size}, {torch.get_num_threads()} threads, {workers} loader processes: '
          f'step {s*1e3:.0f} ms')
    print(f'student {st*1e3:.0f} ms + teachers {te*1e3:.0f} ms = {1e3*(st+te):.0f} ms; '
          f'step / bare passes = {s/(st+te):.2f}')
    print(f'loader in one process: {u/load:.0f} unlabelled people a second in {2+cfg.views} versions, '
          f'a step consumes {u/s:.0f}: {load/s:.0%} of a step')
