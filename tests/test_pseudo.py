"""Pseudo-labels on every shipped skeleton, on square and other crops: fusion, judge, cache;
everything switched on at once"""
import pytest,torch
from hypothesis import given,settings,strategies as st
from sagepose.calibration import person_scale
from sagepose.config import ConfigError,PoseConfig,override
from sagepose.filters import Gates,rules
from sagepose.fusion import Belief,belief,fuse,fusion_alpha
from sagepose.heatmaps import encode
from sagepose.judge import Judge
from sagepose.refresh import compact,expand,label_file,read_labels,write_labels
from sagepose.skeleton import get_skeleton,skeletons,SagePoseError

crops = [(64,48),(64,64),(48,80)]
on = dict(instance='agree', gate='soft', seen='map', align=True, hidden='topo', structure=True,
          silence=2., far=.4, calibrate='logistic', trust='correct')

def people(sk, crop, n=24, seed=0):
    "Both teachers about n random poses, and the poses"
    g = torch.Generator().manual_seed(seed); r = lambda *s: torch.rand(*s, generator=g); k = len(sk)
    kp = (.2+.6*r(n,k,2))*torch.tensor([crop[1]-1.,crop[0]-1.])
    see = lambda: belief(encode(kp+3*torch.randn(n,k,2,generator=g), crop, (crop[0]//4,crop[1]//4), 1.5)
                         *(.2+.7*r(n,k,1,1)), crop)
    return see(),see(),kp,torch.full((n,k), 2)

@pytest.mark.parametrize('crop', crops, ids=str)
@pytest.mark.parametrize('name', list(skeletons))
def test_judge(name, crop):
    sk = get_skeleton(name); g,a,kp,vis = people(sk, crop)
    J = Judge(override(PoseConfig(), recipe='plain', crop=crop, sigma=1.5, **on), sk, kp, vis)
    J.learn([(g,a)], kp, vis, torch.full((24,), 20.)); e = J(g, a); J.update(e); e = J.weigh(e)
    for n in ('p','w','w_topo','alpha','seen'):
        assert e[n].shape==kp.shape[:2] and e[n].isfinite().all() and 0<=e[n].min() and e[n].max()<=1, n
    assert (e['w']<=e['w_topo']).all()
    again = Judge(J.cfg, sk, kp, vis); again.load_state_dict(J.state_dict())
    assert torch.equal(again.weigh(again(g, a))['w'], e['w'])

@pytest.mark.parametrize('crop', crops, ids=str)
def test_people_are_judged_apart(crop):
    sk = get_skeleton('lsp14'); g,a,kp,vis = people(sk, crop)
    J = Judge(override(PoseConfig(), recipe='plain', crop=crop, sigma=1.5, **on), sk, kp, vis)
    e = J(g, a); J.update(e); w = J.weigh(e)['w']; i = torch.tensor([3,7])
    part = J.weigh(J(*[Belief(*(t[i] for t in b)) for b in (g,a)]))['w']
    assert torch.allclose(part, w[i], atol=1e-5)

conf = st.floats(.01, 1)
@settings(max_examples=40, deadline=None)
@given(conf, conf, st.floats(.02, 3), st.sampled_from(['keypoint','instance','mean']),
       st.sampled_from(['heatmap','coords']), st.floats(0, 20))
def test_conflicts(cg, ca, T, by, space, d):
    "Never above the surer teacher; beyond `far` exactly the surer one's place; symmetric in the teachers"
    crop = (64,48); at = lambda x,c: belief(encode(torch.tensor([[[x,30.]]]), crop, (16,12), 1.)*c, crop)
    g,a = at(12.,cg),at(12.+d,ca)
    f,al = fuse(g, a, crop, T, by, far=8., space=space)
    b,be = fuse(a, g, crop, T, by, far=8., space=space)
    assert f.conf.item()<=max(g.conf.item(),a.conf.item())+1e-5
    if abs(cg-ca)>1e-3 or d<7:
        assert torch.allclose(f.kpts, b.kpts, atol=.2) and torch.allclose(al+be, torch.ones(1,1), atol=1e-5)
    if (g.kpts-a.kpts).norm()>8.01:
        top = g if g.conf>=a.conf else a
        assert torch.allclose(f.kpts, top.kpts, atol=.05) and f.conf<=top.conf

@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(list(rules)))
def test_rules(seed, rule):
    "Weights from 0 to 1; more confidence is never less weight; state comes back"
    g = torch.Generator().manual_seed(seed); c = torch.rand(64,5,generator=g)**(4*torch.rand(5,generator=g))
    G = Gates(5, rule=rule, instance=False); G.update(c)
    x = torch.linspace(0, 1, 50)[:,None].expand(-1,5); w = G(x)
    assert w.min()>=0 and w.max()<=1 and (w.diff(dim=0)>=-1e-6).all()
    H = Gates(5, rule=rule, instance=False); H.load_state_dict(G.state_dict()); assert torch.equal(H(x), w)

def test_cache_is_whole_or_absent(tmp_path):
    sk = get_skeleton('coco17'); g,a,kp,_ = people(sk, (64,48))
    f,al = fuse(g, a, (64,48)); d = compact(dict(fused=f, geo=g, app=a, p=f.conf, alpha=al))
    keys = torch.arange(24)*7919-5; p = label_file(tmp_path, 3); write_labels(p, d, keys, step=3)
    back = read_labels(p, keys.flip(0)); assert all(torch.equal(back[n], d[n].flip(0)) for n in d)
    assert torch.equal(expand(back)['fused'].kpts.flip(0), f.kpts.float())
    with pytest.raises(SagePoseError, match='for 1 of 2'): read_labels(p, torch.tensor([keys[0],1]))
    raw = p.read_bytes(); p.write_bytes(raw[:len(raw)//2])
    with pytest.raises(SagePoseError): read_labels(p)

def test_settings_that_exclude_each_other():
    for kw,word in ((dict(refresh=1, target='soft'), 'render'),
                    (dict(refresh=1, own_stats=5),   'own_stats'),
                    (dict(align=True),               'seen'),
                    (dict(seen='head'),              'visibility'),
                    (dict(trust='correct'),          'calibrate')):
        with pytest.raises(ConfigError, match=word): override(PoseConfig(), **kw)
