"""Counts where a step would make the CPU wait for a GPU, on a GPU that computes nothing: `python tests/waiting.py`

Tensors are fake, on a device that need not be there. At times PyTorch crashes when it frees them; so this is a
process of its own, which frees nothing. It prints JSON: case -> {line: how many copies or reads that wait}."""
import collections, gc, json, os, sys, tempfile, traceback, warnings
from pathlib import Path
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from fastai.basics import Callback
from sagepose import data, geometry, heatmaps, training
from sagepose.akm import AKM
from sagepose.augmentations import joint_cutout, limb_cutout, random_cutout, strong_geometry, weak_geometry
from sagepose.cameras import cameras, rand_camera
from sagepose.config import PoseConfig, override, read_config
from sagepose.fusion import belief
from sagepose.heatmaps import _const, decode, encode, flip_hm, soft_argmax
from sagepose.judge import Judge
from sagepose.looks import Looks
from sagepose.people import write_people
from sagepose.priors import Priors
from sagepose.skeleton import lsp14

crop,hm,alive = (256,192),(64,48),[]
gpu = lambda *s, **kw: torch.zeros(s, device='cuda', **kw)

class Waits(TorchDispatchMode):
    "Copies between CPU and GPU that wait, by the line that asks for them"
    def __init__(self): super().__init__(); self.lines = collections.Counter()
    def __torch_dispatch__(self, f, types, args=(), kw=None):
        kw = kw or {}; ts = [a for a in args if isinstance(a, torch.Tensor)]
        moves = f is torch.ops.aten._to_copy.default and kw.get('device') is not None \
                and torch.device(kw['device']).type!=args[0].device.type and not kw.get('non_blocking')
        reads = f in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default) \
                and ts and ts[0].device.type=='cuda'
        if moves or reads:
            at = [x for x in traceback.extract_stack() if 'sagepose/' in x.filename and __file__ not in x.filename]
            self.lines[f'{at[-1].filename.rsplit("/",1)[-1]}:{at[-1].lineno}' if at else 'elsewhere'] += 1
        return f(*args, **kw)

def waits(step):
    "Lines that wait in the second `step`; constants go to the device in the first"
    step()
    with Waits() as w: alive.append(step())
    return w.lines

def maps():
    h,kp = gpu(4,14,*hm),gpu(4,14,2)
    return waits(lambda: (encode(kp, crop, hm), decode(h, crop), soft_argmax(h, crop), flip_hm(h, lsp14),
                          training.normalise(gpu(4,3,*crop), (.5,.5,.5), (.2,.2,.2))))

def views():
    x,h,kp = gpu(4,3,*crop),gpu(4,14,*hm),gpu(4,14,2)
    return waits(lambda: [(w.image(x), w.heatmap(h, lsp14), w.unheatmap(h, lsp14), w.kpts(kp, lsp14),
        w.unkpts(kp, lsp14), w.mask(hm, x.device)) for w in (weak_geometry(4, crop), strong_geometry(4, crop))])

def cutout(f, *args): return lambda: waits(lambda: f(gpu(4,3,*crop), gpu(4,14,2), *args))

def akm():
    a = AKM(lsp14).to('cuda'); x,kp,w = gpu(4,3,*crop),gpu(4,14,2),gpu(4,14)
    return waits(lambda: (a(x, kp, w, w, 2), a.update(kp, kp, w)))

def looks():
    l = Looks(torch.zeros(6,3,*crop, dtype=torch.uint8), .5, .5).to('cuda')
    return waits(lambda: l(gpu(4,3,*crop, dtype=torch.uint8)))

def judge(**more):
    h = gpu(4,14,*hm); j = Judge(override(PoseConfig(), recipe='plain', sigma=1., **more), lsp14)
    if more: j.priors = Priors(lsp14)
    j = j.to('cuda')
    def step(): e = j(belief(h, crop), belief(h, crop)); j.update(e); return j.weigh(e)
    return waits(step)

def camera(w):
    kp = gpu(4,14,2); return waits(lambda: (w.points(kp), w.back(kp)))

class At(Callback):
    "Counts in the step `at`, then stops"
    order = -100
    def __init__(self, at): self.at,self.w = at,Waits()
    def before_batch(self):
        if self.iter==self.at: self.w.__enter__()

class Until(Callback):
    order = 100
    def after_batch(self):
        if self.iter==self.at.at:
            self.at.w.__exit__(None, None, None)
            assert self.learn.pl['loss'].device.type=='cuda'
            raise KeyboardInterrupt

def whole(people, more):
    "A step of a Learner, from the loader's bytes to the optimiser; gradients are made up, for autograd wants a real GPU"
    cfg = read_config(overrides=[f'labelled={people}/labelled.json', f'unlabelled={people}/unlabelled.json',
        f'val={people}/val.json', *'''recipe=plain crop=64,48 backbone=mobilenetv3_small_050 pretrained=none width=32 levels=3
        steps=6 epoch_steps=6 bs=4 stage1=.2 stage2=.2 ramp=.1 device=cpu'''.split(), *more.split()])
    task = training.PoseTask(cfg); at = At(4); until = Until(); until.at = at
    ub,lb = next(iter(endless(task.unlabelled()[0], 16))),task.dls().train.one_batch()
    training.endless = lambda *a, **kw: [ub]*10
    drawn = {b:rand_camera(b, cfg.crop, .5) for b in (16,32,48)}    # on the CPU, from real numbers
    training.rand_camera = lambda b, *a, **kw: drawn[b]
    l = task.learner([at,until]); alive.append(l)
    l._backward = lambda: [setattr(p, 'grad', torch.zeros_like(p)) for p in l.model.parameters()]
    l.model.to = lambda *a, **kw: l.model       # it is there
    def run():
        for m in l.model.modules():
            for n,t in m._parameters.items():
                if t is not None: m._parameters[n] = nn.Parameter(gpu(*t.shape), t.requires_grad)
            for n,t in m._buffers.items(): m._buffers[n] = gpu(*t.shape, dtype=t.dtype)
        l.dls._device = torch.device('cuda'); it = data.DataLoader.__iter__
        if task.pose_batch.looks: task.pose_batch.looks.to('cuda')
        data.DataLoader.__iter__ = lambda self: iter([lb]*6)
        try:
            with l.no_bar(), l.no_logging(): l.fit(1)
        except KeyboardInterrupt: return at.w.lines
        finally: data.DataLoader.__iter__ = it
    return run

endless,Generator = training.endless,torch.Generator
steps = {'': '', 'every mechanism':'''cutout=2 hide=akm cutmix=.5 camera=.5 priors=true stage3=.3 structure=true
    fda=.3 adain=.3 clip=1''', 'cross-entropy':'target=soft loss=ce visibility=true seen=head'}
cases = {'a copy that waits':lambda: waits(lambda: torch.ones(2).to('cuda')),
    'one that does not':lambda: waits(lambda: torch.ones(2).to('cuda', non_blocking=True)),
    'a read':lambda: waits(lambda: gpu(2).cpu()), 'maps':maps, 'views':views, 'joint cutout':cutout(joint_cutout),
    'random cutout':cutout(random_cutout), 'limb cutout':cutout(limb_cutout, lsp14.limbs), 'akm':akm, 'looks':looks,
    'judge':judge, 'judge with all':lambda: judge(calibrate='logistic', trust='correct', structure=True, silence=2.,
                                                  far=.5, instance='agree', tau_joint=dict(neck=.2)),
    **{f'camera {k}':k for k in cameras}, **{f'step {k}'.strip():(v,) for k,v in steps.items()}}

def count(name, f, people):
    heatmaps._seed = lambda g: 0       # no number comes out of a fake tensor
    if isinstance(f, str):   # drawn from real numbers; then its warp is asked about points on the GPU
        w = rand_camera(4, crop, 1., kinds=[f], generator=Generator().manual_seed(0)); f = lambda: camera(w)
    if isinstance(f, tuple): f = whole(people, *f)
    torch.Generator = lambda *a, **kw: Generator()      # of a device that is not there
    _const.cache_clear()
    try:
        with FakeTensorMode(allow_non_fake_inputs=True) as m: alive.append(m); return f()
    finally: torch.Generator = Generator; _const.cache_clear()

if __name__=='__main__':
    warnings.filterwarnings('ignore'); gc.disable()
    geometry.F.grid_sample = lambda x, g, **kw: x.new_empty(*x.shape[:2], *g.shape[1:3])    # its own needs CUDA
    with tempfile.TemporaryDirectory() as d:
        people = write_people(Path(d)/'people', 24, 40, 8, (72,54), 'lsp14', seed=0)
        out = {n:dict(count(n, f, people)) for n,f in cases.items()}
    print(json.dumps(out), flush=True); sys.stderr.flush()
    os._exit(0)
