"A study that is killed, shared, asked twice, asked for nonsense, or handed another configuration"
import json,os,signal,subprocess,sys,time
from dataclasses import replace
from pathlib import Path
import fastai.basics,pytest,torch
from filelock import FileLock
from sagepose import ablations,cli,runs
from sagepose.ablations import *
from sagepose.baselines import after_start,cost,equal_compute,get_method,methods,preset
from sagepose.config import ConfigError,PoseConfig,cycles,labelled_bs,override,read_config,recipes,start_steps
from sagepose.people import write_people
from sagepose.skeleton import SagePoseError

root = Path(__file__).resolve().parent.parent
few = 'labels only,dual students,method'

@pytest.fixture(scope='module')
def home(tmp_path_factory):
    "A folder with a finished short study"
    d = tmp_path_factory.mktemp('ablate')
    cfg = generated(d/'whole', steps=32, epoch_steps=4)
    rep = run_study(pick_arms('baselines', few), cfg, d/'whole', name='baselines', quiet=True)
    return d,cfg,rep

def stamps(d): return {f:f.stat().st_mtime_ns for f in sorted(d.rglob('*')) if f.is_file()}

# a real kill

def test_killed_study_continues(home):
    d,_,whole = home; out = d/'killed'
    args = ['ablate','baselines','--short','--out',str(out),'--arms',few,'steps=32','epoch_steps=4']
    env = dict(os.environ, PYTHONPATH=str(root),
               OMP_NUM_THREADS=str(torch.get_num_threads()))   # sums depend on it
    p = subprocess.Popen([sys.executable,'-c',f'from sagepose.cli import main; main({args!r})'], env=env,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    dual,t0 = out/'dual@0',time.time()
    while not any(n>='epoch0002' for n in (q.name for q in dual.glob('checkpoint/epoch*'))):
        assert p.poll() is None and time.time()-t0<400, p.communicate()[0]
        time.sleep(.005)
    p.send_signal(signal.SIGKILL); p.wait()
    assert (not (dual/'metrics.json').exists()
            and not (out/'semi@0').exists()), 'killed too late to test anything'
    done = stamps(out/'labels@0'); assert (out/'labels@0'/'arm.json').exists()
    cfg = generated(out, steps=32, epoch_steps=4)
    rep = run_study(pick_arms('baselines', few), cfg, out, name='baselines', quiet=True)
    assert stamps(out/'labels@0')==done
    # as if nothing had happened, and the same seed gives the same rows
    assert rep.data.equals(whole.data)

def test_finished_arms_are_left_alone(home):
    d,cfg,rep = home; old = {f:t for f,t in stamps(d/'whole').items() if '@' in f.parent.name}
    more = run_study(pick_arms('baselines', few+',FixMatch'), cfg, d/'whole', name='baselines', quiet=True)
    new = stamps(d/'whole')
    assert all(new[f]==t for f,t in old.items()) and (d/'whole'/'fixmatch@0'/'arm.json').exists()
    assert more.data[more.data.arm!='FixMatch'].reset_index(drop=True).equals(rep.data)

def test_results_on_disk(home):
    d,_,rep = home; rows = runs.read_csv(d/'whole'/'baselines.csv')
    assert {*rows[0]}=={'arm','seed','step','metric','value'} and {r['arm'] for r in rows}>={*few.split(',')}
    info = json.loads((d/'whole'/'baselines.json').read_text())
    assert info['command']=='sagepose ablate baselines' and info['table'] and info['date']
    assert ('labels only' in (d/'whole'/'baselines.md').read_text()
            and '<img' in (d/'whole'/'baselines.html').read_text())
    assert {'labels only','dual students','method'}<={*report(d/'whole', 'baselines').table.arm}

# the folder's memory

def test_the_reference_may_come_later(tmp_path):
    cfg = generated(tmp_path); refs = []
    for arms in ('masking','masking,structure','spine'):
        open_study(tmp_path, cfg, 'mechanisms', pick_arms('mechanisms', arms))
        refs.append(report(tmp_path, 'mechanisms').study.ref)
    assert refs==['masking','masking','spine']

def test_studies_in_one_folder_have_their_own_seeds(tmp_path):
    cfg,one = generated(tmp_path, seeds=(0,1)),'semi instance=none'
    go = lambda n,arms,s: run_study(pick_arms(n, arms), cfg, tmp_path, s, n, quiet=True)
    go('gates', 'keypoint gate only', (0,1)); assert (tmp_path/'semi,instance=none@1').exists()   # the same arm
    rep = go('baselines', f'labels only,{one}', (0,))
    assert {*rep.data.seed}=={0} and not [n for n in rep.notes if 'not finished' in n]
    rep = go('baselines', one, (1,))                            # a further seed comes beside the first
    assert {*by_seed(rep.data, one).index}=={0,1} and 'not finished: labels only: 1 of 2 seeds' in rep.notes
    assert {*report(tmp_path, 'gates').data.seed}=={0,1}

def test_an_arm_may_be_written_in_two_ways(tmp_path):
    cfg = generated(tmp_path)
    for a in ('semi','semi views=2'): open_study(tmp_path, cfg, 'mine', Study('?', dict(a=a)))     # two are the default
    with pytest.raises(SagePoseError, match='views=3'): open_study(tmp_path, cfg, 'mine', Study('?', dict(a='semi views=3')))

def test_other_configuration_is_refused(home):
    d,cfg,_ = home
    with pytest.raises(SagePoseError, match='beta=0.5 there, 0.7 here'):
        run_study('baselines', override(cfg, beta=.7), d/'whole', quiet=True)
    with pytest.raises(SagePoseError,
                       match=r"arm 'method' of baselines was 'semi' there, 'semi views=3' here"):
        run_study(Study('?', {'method':'semi views=3'}), cfg, d/'whole', name='baselines', quiet=True)

def test_changed_arm_is_named(home):
    d,cfg,_ = home; j = plan(pick_arms('baselines', 'labels only'), cfg, d/'whole')[0]
    f = j.folder/'config.yaml'; was = f.read_text()
    f.write_text(was.replace('wd: 0.01', 'wd: 0.5'))
    try:
        with pytest.raises(SagePoseError,
                           match="arm 'labels only', seed 0, was started with wd=0.5, not 0.01"):
            run_job(j)
    finally: f.write_text(was)
    assert run_job(j)=='done'

def test_locked_arm_is_left_to_its_process(home):
    d,cfg,_ = home; j = plan(pick_arms('baselines', 'UDA'), cfg, d/'whole')[0]
    with FileLock(f'{j.folder}.lock'): assert run_job(j)=='busy'
    assert not j.folder.exists()

def test_a_failing_arm_does_not_stop_the_others(home, monkeypatch):
    d,cfg,_ = home; real = ablations.train
    def train(cfg, **kw):
        if 'uda' in cfg.out: raise RuntimeError('out of memory')
        return real(cfg, **kw)
    monkeypatch.setattr(ablations, 'train', train)
    with pytest.raises(SagePoseError, match="arm 'UDA, seed 0': failed: RuntimeError: out of memory"):
        run_study(pick_arms('baselines', 'UDA,Mean Teacher'), cfg, d/'whole', name='baselines', quiet=True)
    assert (d/'whole'/'mean_teacher@0'/'arm.json').exists()

def test_pair_leaves_two_models(home):
    d,cfg,_ = home; from sagepose.predict import load
    a,b = (load(d/'whole'/'dual@0'/o, 'cpu') for o in ('','second'))
    pa,pb = (next(m.model.head.parameters()) for m in (a,b)); assert (pa-pb).abs().max()>0
    m = json.loads((d/'whole'/'dual@0'/'metrics.json').read_text())
    j = plan(pick_arms('baselines', 'dual students'), cfg, d/'whole')[0]
    assert m['compute']==cost(j.cfg, 'dual')

# names

@pytest.mark.parametrize('line,words', [
    ('ablate',                              'name one study'),
    ('ablate vews --short',                 "did you mean 'views'"),
    ('ablate views x',                      'name one study'),
    ('ablate views',                        'which people'),
    ('ablate views --short --arms M=9',     "no method 'M=9'"),
    ('ablate views --short --seeds a',      'should be numbers'),
    ('ablate views --report --out nowhere', 'no study here'),
    ('ablate views --short a.yaml',         'draw their own people'),
    ('ablate views a.yaml',                 'no such configuration'),
    ('ablate views --short vews=2',         "did you mean 'views'")])
def test_one_line_errors(line, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path); assert cli.main(line.split())==2
    err = capsys.readouterr()[1]; assert words in err and err.count('\n')==1
    assert not any(tmp_path.rglob('*@*'))

def test_bad_arm_in_arms_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(['ablate','views','--short','--arms','semi vews=2'])==2
    assert "did you mean 'views'" in capsys.readouterr()[1]

def test_list(capsys):
    assert cli.main(['ablate','--list'])==0
    out = capsys.readouterr()[0]; assert all(n in out for n in studies)

# plans

def test_every_arm_of_every_study_costs_the_same(tmp_path):
    cfg,moved = generated(tmp_path),set()
    for n,s in studies.items():
        jobs = plan(s, cfg, tmp_path); F = [j.F for j in jobs if not j.why]
        assert (max(F)<=1.04*min(F) if F else all(j.why for j in jobs)), n
        assert len({(j.cfg.labelled_ids, j.cfg.seed) for j in jobs})==1
        for j in jobs:
            assert not j.why or 'there is no setting' in j.why, j
            if j.why: continue
            assert j.cfg.labelled==str(tmp_path/'people0'/'labelled.json') or j.spec=='all'
            assert j.cfg.steps%j.cfg.epoch_steps==0 and j.cfg.epoch_steps<=2*cfg.epoch_steps
            if j.cfg.semi and round(j.cfg.stage1*j.cfg.steps, 6)!=cfg.stage1*cfg.steps: moved.add(j.spec)
    # two dozen steps are too coarse for these: stage 0 moves by half a step or more
    assert moved<={'semi views=1','semi refresh=1','semi rounds=2','semi fresh=True rounds=1',
                   *(short_spec(cfg, a) for n in ('written','leave_one_out') for a in studies[n].arms.values()),
                   *(short_spec(cfg, studies['mechanisms'].arms[a]) for a in ('calibration','everything')),
                   'semi calibrate=logistic'}

def test_what_costs_too_much_is_refused(tmp_path):
    cfg = generated(tmp_path, steps=2, epoch_steps=1, bs=2)
    with pytest.raises(ConfigError, match='take more steps'):
        plan(Study('?', dict(a='semi views=7')), cfg, tmp_path)

def test_no_batch_is_larger_than_the_labels(tmp_path):
    jobs = plan(get_study('baselines'), generated(tmp_path, bs=64), tmp_path)
    assert all(j.cfg.bs<=(40 if j.spec=='all' else 16) for j in jobs)

def test_seeds_in_paths(tmp_path):
    cfg = generated(tmp_path, (0,1)); a,b = plan(Study('?', dict(a='semi')), cfg, tmp_path, (0,1))
    assert ('people0' in a.cfg.labelled and 'people1' in b.cfg.labelled
            and (a.cfg.seed,b.cfg.seed)==(0,1) and a.folder!=b.folder)

def test_equal_arms_share_a_run(tmp_path):
    cfg = generated(tmp_path)
    a = plan(get_study('views'), cfg, tmp_path)[1]; b = plan(get_study('baselines'), cfg, tmp_path)[0]
    assert (a.label,b.label)==('M=2','method') and a.folder==b.folder and a.cfg==b.cfg

@pytest.mark.parametrize('recipe', recipes)
def test_arms_differ(recipe):
    cfg = override(PoseConfig(), recipe=recipe)
    for n,s in studies.items():
        if recipe=='written' and n in ('mechanisms','parts','use'): continue   # they add what it has
        same = 'as it is', 'its own rate'       # as another arm has it, with some recipes
        specs = [short_spec(cfg, a) for l,a in s.arms.items() if l not in same]
        assert len(set(specs))==len(specs), (n,specs)

def test_all_labels_are_those_of_the_unlabelled(tmp_path):
    cfg = at_seed(generated(tmp_path), 0); d = Path(cfg.reference).parent; joint = json.loads(Path(cfg.reference).read_text())
    n = len(joint['annotations'])
    for part in ('labelled','val'):     # a reference that holds everybody, judges too
        o = json.loads((d/f'{part}.json').read_text()); k = 1000*(1+(part=='val'))
        joint['images'] += [i|dict(id=i['id']+k) for i in o['images']]
        joint['annotations'] += [a|dict(id=a['id']+k, image_id=a['image_id']+k) for a in o['annotations']]
    (d/'everybody.json').write_text(json.dumps(joint))
    c = all_labels(replace(cfg, reference=str(d/'everybody.json')), tmp_path)
    files = [i['file_name'] for i in json.loads(Path(c.labelled).read_text())['images']]
    assert len(files)==len(set(files))==n+len(json.loads(Path(cfg.labelled).read_text())['images'])
    assert not any('val_' in f for f in files)
    (tmp_path/'link').symlink_to(d); far = replace(cfg, unlabelled=str(tmp_path/'link'/Path(cfg.unlabelled).name))
    assert len(json.loads(Path(all_labels(far, tmp_path/'far').labelled).read_text())['images'])==len(files)

def test_missing_mechanism_is_said(tmp_path):
    cfg = generated(tmp_path); s = Study('?', dict(a='labels', b='semi warp_drive=1'))
    t = show_plan(plan(s, cfg, tmp_path))
    assert t.note[1]=="not available: there is no setting 'warp_drive' yet"

def test_joints_that_a_file_shares(home):
    d,_,_ = home; c = write_people(d/'coco', 4, 4, 6, (64,48), 'coco17', seed=3)
    v,n = shared_pck(d/'whole'/'labels@0', c/'val.json'); assert n==12 and 0<=v<=1
    with pytest.raises(SagePoseError): shared_pck(d/'whole'/'labels@0', d/'nothing.json')

@pytest.mark.parametrize('name', sorted(set(methods)-{'labels','all'}))
def test_students_that_share_nothing_are_counted(name):
    c = override(PoseConfig(), recipe='plain', stage1=.4, stage2=.4, steps=4, epoch_steps=2, bs=3, ratio=2)
    m = get_method(name)
    v = 2 if name in ('semi','oracle','one_teacher') else 4 if name=='multiaugs' else 1
    e = 2 if m.easy is None else m.easy
    from sagepose.baselines import preset
    assert cost(preset(c, name), name, (9,9))['F']==m.nets*3*4*3+2*6*(e+m.nets*3*v)

@pytest.mark.slow
def test_two_processes_share_a_study(tmp_path):
    cfg = generated(tmp_path/'a'); s = pick_arms('baselines', 'labels only,method,FixMatch,Mean Teacher')
    two = run_study(s, cfg, tmp_path/'a', name='baselines', devices=('cpu','cpu'), quiet=True)
    one = run_study(s, generated(tmp_path/'b'), tmp_path/'b', name='baselines', quiet=True)
    assert two.data.equals(one.data)

def test_a_common_start_changes_no_number(tmp_path):
    cfg = override(generated(tmp_path), stage1=.5, stage2=.5)
    arms = 'method,oracle gate,semi gate=fixed,semi hide=akm cutout=2,semi calibrate=logistic'
    for a in arms.split(','):
        run_study(pick_arms('baselines', a), cfg, tmp_path/'a', name='baselines', quiet=True)
    assert len([*(tmp_path/'a'/'start').iterdir()])==2      # people who are kept back are another start
    for a in ('semi gate=fixed','oracle gate','semi hide=akm cutout=2'):
        alone = run_study(pick_arms('baselines', a), cfg, tmp_path/a, name='baselines', quiet=True).data
        rows = report(tmp_path/'a', 'baselines').data
        assert alone.equals(rows[rows.arm==a].reset_index(drop=True)), a

def test_who_shares_a_start():
    r = override(PoseConfig(), recipe='rounds', bs0=24, steps=20, epoch_steps=2)    # 6 steps of labels
    k = lambda c: start_key(c)
    assert (k(r)==k(after_start(r, 5))==k(replace(after_start(r, 8), bs=9, rounds=3))
            !=k(replace(r, stage1=.4, stage2=.4)))
    assert (k(replace(r, bs0=0))!=k(replace(r, bs0=0, bs=9))
            and k(replace(r, rounds=0))!=k(after_start(replace(r, rounds=0), 5)))
    c = override(PoseConfig(), recipe='plain', stage1=.5, stage2=.5, steps=8, epoch_steps=2)
    key = lambda n='semi', **k: start_key(preset(override(c, **k), n))
    assert (key()==key('fixmatch')==key('oracle')==key(views=3, priors=True, gate='soft')
            ==key(hide='akm', cutout=4, cutmix=.5)!='')
    assert len({key(), key(lr=1e-2), key(seed=1), key(bs=8), key(decay_app=.9), key(stage1=.3), key(fda=.5),
                key(calibrate='logistic'), key(calibrate='logistic', hold=.3)})==9
    assert key(stage1=0, stage2=0)==key(stage1=.2)==key('labels', semi=False)=='' and start_epochs(c)==2

@pytest.mark.parametrize('name', sorted(set(methods)-{'labels','all'}))
@pytest.mark.parametrize('bs0', [0,20])
def test_dear_methods_keep_their_stage_0(name, bs0):
    c = preset(override(PoseConfig(), recipe='rounds', steps=400, epoch_steps=20, bs0=bs0), name)
    F = cost(c, 'semi', (50,500))['F']
    d = equal_compute(c, F, name, people=(50,500))
    assert (abs(cost(d, name, (50,500))['F']/F-1)<=.02
            and start_steps(d)==start_steps(c)==120 and d.steps%d.epoch_steps==0)
    assert ([labelled_bs(d, e) for e in range(120//d.epoch_steps)]==[bs0 or 12]*(120//d.epoch_steps)
            and (bs0 or d.bs==12))
    assert ([round(p*d.steps)-120 for p in cycles(d)[1:]]
            ==pytest.approx([0,(d.steps-120)/2,d.steps-120], abs=.6))

def test_all_studies_in_short_form(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path); assert cli.main('ablate all --short --out s'.split())==0
    for n in studies: assert (tmp_path/'s'/f'{n}.html').exists()

def test_arm_with_a_threshold_for_a_joint():
    cfg = PoseConfig(); s = short_spec(cfg, 'semi tau_joint=left_hip:.2')
    assert s=='semi tau_joint=left_hip:0.2' and arm_config(cfg, s).tau_joint==dict(left_hip=.2)

def test_who_begins_anew_has_the_weights_of_init(tmp_path):
    from sagepose.runs import _made
    (tmp_path/'out'/'best').mkdir(parents=True); (tmp_path/'out'/'best'/'model.yaml').touch(); (tmp_path/'init').mkdir()
    how = lambda **kw: Path(_made(lambda c, m, init=None: init or c.init,
                                  override(PoseConfig(), out=tmp_path/'out', init=tmp_path/'init', **kw), None, ck=True))
    assert how(rounds=1, fresh=True)==tmp_path/'init' and how()==tmp_path/'out'/'best'
