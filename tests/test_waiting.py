"A step must not make the CPU wait for the GPU: nothing is copied there in a way that waits. No GPU is needed"
import collections, traceback
import pytest, torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from fastai.basics import Callback
from sagepose import data, geometry, training
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
from sagepose.training import normalise

crop,hm = (256,192),(64,48)

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
            at = [x for x in traceback.extract_stack() if 'sagepose/' in x.filename]
            self.lines[f'{at[-1].filename.rsplit("/",1)[-1]}:{at[-1].lineno}' if at else 'test'] += 1
        return f(*args, **kw)

@pytest.fixture
def gpu(monkeypatch):
    "A GPU that computes nothing; constants as they are in the second step"
    sample = lambda x, g, **kw: x.new_empty(*x.shape[:2], *g.shape[1:3])    # its own needs a build with CUDA
    monkeypatch.setattr(geometry.F, 'grid_sample', sample)
    _const.cache_clear()
    with FakeTensorMode(allow_non_fake_inputs=True): yield lambda *s: torch.zeros(*s, device='cuda')
    _const.cache_clear()

def waits(f):
    f()         # constants go to the device once
    with Waits() as w: f()
    return w.lines

def test_the_count_can_fail(gpu):
    assert sum(waits(lambda: torch.ones(2).to('cuda')).values())==1
    assert sum(waits(lambda: torch.ones(2).to('cuda', non_blocking=True)).values())==0
    assert sum(waits(lambda: gpu(2).cpu()).values())==1

def test_maps(gpu):
    h,kp = gpu(4,14,*hm),gpu(4,14,2)
    def step():
        encode(kp, crop, hm); decode(h, crop); soft_argmax(h, crop); flip_hm(h, lsp14)
        normalise(gpu(4,3,*crop), (.5,.5,.5), (.2,.2,.2))
    assert not waits(step)

def test_views(gpu):
    x,h,kp = gpu(4,3,*crop),gpu(4,14,*hm),gpu(4,14,2)
    def step():
        for w in (weak_geometry(4, crop), strong_geometry(4, crop)):
            w.image(x); w.heatmap(h, lsp14); w.unheatmap(h, lsp14)
            w.kpts(kp, lsp14); w.unkpts(kp, lsp14); w.mask(hm, x.device)
    assert not waits(step)

@pytest.mark.parametrize('f', [joint_cutout, random_cutout, lambda x,kp: limb_cutout(x, kp, lsp14.limbs)],
                         ids=['joints','anywhere','limbs'])
def test_cutouts(gpu, f):
    x,kp = gpu(4,3,*crop),gpu(4,14,2)
    assert not waits(lambda: f(x, kp))

def test_masking_and_cutmix(gpu):
    a = AKM(lsp14).to('cuda'); x,kp,w = gpu(4,3,*crop),gpu(4,14,2),gpu(4,14)
    assert not waits(lambda: (a(x, kp, w, w, 2), a.update(kp, kp, w)))

def test_looks(gpu):
    l = Looks(torch.zeros(6,3,*crop, dtype=torch.uint8), .5, .5).to('cuda')
    x = torch.zeros(4,3,*crop, dtype=torch.uint8, device='cuda')
    assert not waits(lambda: l(x))

@pytest.mark.parametrize('more', [{}, dict(calibrate='logistic', trust='correct', structure=True,
                                           silence=2., far=.5, instance='agree', tau_joint=dict(neck=.2))])
def test_judge(gpu, more):
    h = gpu(4,14,*hm); j = Judge(override(PoseConfig(sigma=1.), **more), lsp14)
    if more: j.priors = Priors(lsp14)
    j = j.to('cuda')
    def step(): e = j(belief(h, crop), belief(h, crop)); j.update(e); j.weigh(e)
    assert not waits(step)

@pytest.mark.parametrize('kind', cameras)
def test_cameras(kind):
    "A camera is drawn from real numbers; then its warp is asked about points on the GPU"
    w = rand_camera(4, crop, 1., kinds=[kind], generator=torch.Generator().manual_seed(0)); _const.cache_clear()
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            kp = torch.zeros(4,14,2, device='cuda')
            assert not waits(lambda: (w.points(kp), w.back(kp)))
    finally: _const.cache_clear()

@pytest.fixture(scope='module')
def people(tmp_path_factory):
    return write_people(tmp_path_factory.mktemp('waiting')/'people', 24, 40, 8, (72,54), 'lsp14', seed=0)

@pytest.mark.parametrize('more', ['',
    'cutout=2 hide=akm cutmix=.5 camera=.5 priors=true stage3=.3 structure=true fda=.3 adain=.3 clip=1',
    'target=soft loss=ce visibility=true seen=head'])
def test_whole_step(people, monkeypatch, more):
    "A step of a Learner, from the loader's bytes to the optimiser; gradients are made up, for autograd wants a real GPU"
    cfg = read_config(overrides=[f'labelled={people}/labelled.json', f'unlabelled={people}/unlabelled.json',
        f'val={people}/val.json', *'''crop=64,48 backbone=mobilenetv3_small_050 pretrained=none width=32 levels=3
        steps=6 epoch_steps=6 bs=4 stage1=.2 stage2=.2 ramp=.1 device=cpu'''.split(), *more.split()])
    task = training.PoseTask(cfg)
    ub,lb = next(iter(training.endless(task.unlabelled()[0], 16))),task.dls().train.one_batch()
    monkeypatch.setattr(training, 'endless', lambda *a, **kw: [ub]*10)
    monkeypatch.setattr(data.DataLoader, '__iter__', lambda self: iter([lb]*6))
    drawn = {b:rand_camera(b, cfg.crop, .5) for b in (16,32,48)}     # on the CPU, from real numbers
    monkeypatch.setattr(training, 'rand_camera', lambda b, *a, **kw: drawn[b])
    G = torch.Generator; monkeypatch.setattr(torch, 'Generator', lambda *a, **kw: G())
    monkeypatch.setattr(geometry.F, 'grid_sample', lambda x, g, **kw: x.new_empty(*x.shape[:2], *g.shape[1:3]))
    w,seen = Waits(),{}
    class Count(Callback):
        order = -100
        def before_batch(self):
            if self.iter==4: w.__enter__()
    class Stop(Callback):
        order = 100
        def after_batch(self):
            if self.iter==4: w.__exit__(None, None, None); seen.update(self.learn.pl); raise KeyboardInterrupt
    l = task.learner([Count(),Stop()]); _const.cache_clear()
    l._backward = lambda: [setattr(p, 'grad', torch.zeros_like(p)) for p in l.model.parameters()]
    l.model.to = lambda *a, **kw: l.model       # it is there
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            for m in l.model.modules():
                for n,t in m._parameters.items():
                    if t is not None: m._parameters[n] = nn.Parameter(torch.zeros(t.shape, device='cuda'), t.requires_grad)
                for n,t in m._buffers.items(): m._buffers[n] = torch.zeros(t.shape, dtype=t.dtype, device='cuda')
            l.dls._device = torch.device('cuda')
            if task.pose_batch.looks: task.pose_batch.looks.to('cuda')
            with l.no_bar(), l.no_logging(), pytest.raises(KeyboardInterrupt): l.fit(1)
    finally: _const.cache_clear()
    assert seen['loss'].device.type=='cuda' and not w.lines
