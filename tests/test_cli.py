"""The command line as a shell sees it: help at once, one-line errors,
check, train, resume, eval, predict, demo"""
import csv,json,os,re,shutil,signal,subprocess,sys,time
from pathlib import Path
import numpy as np,pytest
from sagepose import cli
from sagepose.config import labels_only,override,PoseConfig,config_help
from sagepose.people import write_people
from sagepose.skeleton import SagePoseError

root = Path(__file__).resolve().parent.parent
tiny = '''crop: [64,48]
backbone: mobilenetv3_small_050
pretrained: none
levels: 2
width: 16
bs: 4
ratio: 1
steps: 4
epoch_steps: 2
stage1: .3
stage2: .5
device: cpu
'''

@pytest.fixture(scope='module')
def home(tmp_path_factory):
    "A folder with generated people, a configuration and a finished run"
    d = tmp_path_factory.mktemp('cli'); old = os.getcwd(); os.chdir(d)
    write_people('data', 12, 16, 6, (72,54), 'lsp14', seed=0)
    (d/'tiny.yaml').write_text(tiny+''.join(f'{n}: data/{n}.json\n' for n in ('labelled','unlabelled','val')))
    assert cli.main(['train','tiny.yaml','out=run'])==0
    assert cli.main(['train','tiny.yaml','out=alone','semi=false'])==0
    yield d
    os.chdir(old)

@pytest.fixture
def sagepose(home, capsys):
    "Run a command line in `home`: exit code, standard output, standard error"
    def f(line):
        try: code = cli.main(line.split())
        except SystemExit as e: code = e.code
        return code,*capsys.readouterr()
    return f

# help

@pytest.mark.parametrize('args', [['--help'], ['train','--help'], ['demo','-h'], ['--version']], ids=' '.join)
def test_help_is_fast_and_light(args):
    code = f'''import sys
from sagepose.cli import main
try: main({args!r})
except SystemExit as e: assert not e.code
print(sorted({{'torch','fastai','matplotlib','cv2'}}&set(sys.modules)), file=sys.stderr)'''
    def run():
        t = time.perf_counter()
        r = subprocess.run([sys.executable,'-c',code], cwd=root, capture_output=True, text=True)
        assert r.returncode==0 and r.stderr.strip()=='[]', r.stderr
        assert r.stdout
        return time.perf_counter()-t
    assert min(run(), run())<1

def test_help_lists_all(sagepose):
    code,out,_ = sagepose('--help')
    assert code==0 and all(c in out for c in ('demo','train','show','eval','predict','label','check','frames'))
    code,out,_ = sagepose('train --help')
    assert code==0 and config_help() in out
    assert sagepose('')[0]==2

def test_frames(sagepose, home):
    "A video becomes unlabelled people, and validation people from the same video stop the training"
    import cv2
    w = cv2.VideoWriter('film.avi', cv2.VideoWriter_fourcc(*'MJPG'), 2, (54,72))
    for f in sorted(Path('data/images').glob('unlabelled_*'))[:9]: w.write(cv2.imread(str(f)))
    w.release()
    code,out,_ = sagepose('frames film.avi --out film')
    assert code==0 and out.startswith('9 of 9 frames') and 'unlabelled=film' in out
    assert sagepose('frames film.avi --out film')[0]==2 and sagepose('frames film.avi --out film --most 8 --overwrite')[0]==0
    assert sagepose('train tiny.yaml unlabelled=film out=filmed')[0]==0
    d = json.loads(Path('data/val.json').read_text())
    for i,f in zip(d['images'], sorted(Path('film/film').iterdir())): i['file_name'] = f.as_posix()
    Path('filmed.json').write_text(json.dumps(d))
    code,_,err = sagepose('train tiny.yaml unlabelled=film val=filmed.json out=leak')
    assert code==2 and 'split by video' in err and not Path('leak').exists()

def test_load_is_lazy():
    code = ("import sys,sagepose; assert 'torch' not in sys.modules; "
            "assert not hasattr(sagepose,'nonsense'); sagepose.load; assert 'torch' in sys.modules")
    r = subprocess.run([sys.executable,'-c',code], cwd=root, capture_output=True, text=True)
    assert r.returncode==0, r.stderr

# errors are one line and exit code 2

@pytest.mark.parametrize('line,words', [
    ('trian a.yaml',                       "did you mean 'train'"),
    ('train tiny.yaml other.yaml',         'two configuration files'),
    ('train none.yaml',                    'no such configuration'),
    ('train tiny.yaml --steps 4',          'no dashes: steps=VALUE'),
    ('ablate views --bs=4',                'no dashes: bs=VALUE'),
    ('train tiny.yaml lamda_u=1',          "did you mean 'lambda_u'"),
    ('train',                              'no labelled people'),
    ('train tiny.yaml bs=many',            'should be int'),
    ('train tiny.yaml out=run --no-check', '--overwrite'),
    ('train tiny.yaml out=new --resume',   'nothing to resume'),
    ('eval nowhere',                       'no model.yaml'),
    ('predict run none.jpg',               'no such'),
    ('show nowhere',                       'no such configuration'),
    ('show run --people 0',                '1 or more'),
    ('predict nowhere data/val.json',      'no model.yaml'),
    ('eval run none.json',                 'no such file'),
    ('demo --out data',                    'not made by')])
def test_one_line_errors(sagepose, line, words):
    code,out,err = sagepose(line)
    assert code==2 and words in err
    assert err.startswith('sagepose: error: ') and err.count('\n')==1 and 'Traceback' not in err

def test_debug_shows_the_traceback(sagepose, monkeypatch):
    monkeypatch.setenv('SAGEPOSE_DEBUG', '1')
    with pytest.raises(SagePoseError): sagepose('train none.yaml')

# check

def test_check(sagepose, home):
    assert sagepose('check data/labelled.json data/unlabelled.json --val data/val.json')[0]==0
    code,out,_ = sagepose('check data/labelled.json --val data/labelled.json')
    assert code==1 and out.startswith('data check: 12 errors') and 'a copy of' in out

def test_train_stops_at_errors_of_the_check(sagepose, home):
    code,_,err = sagepose('train tiny.yaml val=data/labelled.json out=leaky')
    assert code==2 and 'copy of' in err and not (home/'leaky').exists()
    code,_,err = sagepose('ablate views tiny.yaml val=data/labelled.json --out leaky')
    assert code==2 and 'copy of' in err and not (home/'leaky').exists()

# train, resume, eval, predict

def test_run_folder(home):
    have = {p.name for p in (home/'run').iterdir()}
    assert {'config.yaml','versions.json','log.csv','joints.csv','metrics.json',
            'model.safetensors','model.yaml','pictures','checkpoint'}<=have

def test_stopped_and_resumed(sagepose, home, monkeypatch):
    from sagepose import runs
    assert sagepose('train tiny.yaml out=whole --no-check')[0]==0
    real = runs.save_checkpoint
    def stop(folder, learn, **meta):
        real(folder, learn, **meta)
        if meta['epoch']==1: raise KeyboardInterrupt
    with monkeypatch.context() as m:
        m.setattr(runs, 'save_checkpoint', stop)
        code,_,err = sagepose('train tiny.yaml out=half --no-check')
    assert (code==130 and 'half/checkpoint/epoch0001' in err
            and 'sagepose train half/config.yaml --resume' in err)
    assert sagepose('train half/config.yaml --resume')[0]==0
    pck = lambda n: json.loads((home/n/'metrics.json').read_text())['pck']
    assert pck('half')==pck('whole')

def test_stopped_at_once(sagepose, home, monkeypatch):
    "In the midst of a step: it says how much is lost, and goes on as if nothing had been"
    from sagepose import runs
    assert sagepose('train tiny.yaml out=whole2 steps=6 epoch_steps=3 --no-check')[0]==0
    real,seen = runs.RunLog.after_loss,[]
    def stop(self):
        real(self); seen.append(self.training)
        if sum(seen)==5: raise KeyboardInterrupt
    with monkeypatch.context() as m:
        m.setattr(runs.RunLog, 'after_loss', stop)
        code,out,_ = sagepose('train tiny.yaml out=half2 steps=6 epoch_steps=3 --no-check')
    assert code==130 and 'holds the state after epoch 1' in out and 'The 2 steps since then' in out
    assert sagepose('train half2/config.yaml --resume')[0]==0
    assert (home/'half2/model.safetensors').read_bytes()==(home/'whole2/model.safetensors').read_bytes()

def shell(line, cwd, start_new_session=False, **env):
    "A process with the command line `line` of a shell, which hears Ctrl-C even if this one does not"
    line = line.replace('sagepose ', f"{sys.executable} -c 'import sagepose.cli as c; raise SystemExit(c.main())' ")
    env = {**os.environ, 'PYTHONPATH':str(root), **env}
    return subprocess.Popen(['bash','-c',f'set -o pipefail; {line}'], cwd=cwd, env=env, stdout=-1, stderr=-1, text=True,
                            start_new_session=start_new_session, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))

def test_keys():
    "The first Ctrl-C is noted, the second stops at once; a program's own handler is left alone"
    from sagepose.runs import noting_ctrl_c
    keys = lambda: os.kill(os.getpid(), signal.SIGINT)
    heard,was = [],signal.signal(signal.SIGINT, signal.default_int_handler)     # a script in the background ignores it
    try:
        with noting_ctrl_c() as asked:
            keys(); assert asked==[True]
            with pytest.raises(KeyboardInterrupt): keys()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, lambda *_: heard.append(1))
        with noting_ctrl_c() as asked: keys()
        assert (heard,asked)==([1],[])
    finally: signal.signal(signal.SIGINT, was)

@pytest.mark.parametrize('workers', [0,2])
def test_ctrl_c(sagepose, home, workers):
    "As a terminal sends it, to the process and its loaders: the step is finished and kept, and the run goes on to the same end"
    how = f'tiny.yaml steps=40 epoch_steps=40 workers={workers} --no-check out='
    p = shell(f'exec sagepose train {how}keys{workers}', home, start_new_session=True)
    while not (home/f'keys{workers}/checkpoint/epoch0000').exists() and p.poll() is None: time.sleep(.02)
    os.killpg(p.pid, signal.SIGINT); out,err = p.communicate(timeout=120)
    assert p.returncode==130 and 'stops after this step' in err and 'Traceback' not in err, err
    assert re.search('after epoch 0 and [0-9]+ steps? of the next', out) and 'again' not in out, out
    assert sagepose(f'train keys{workers}/config.yaml --resume')[0]==0
    assert sagepose(f'train {how}unstopped{workers}')[0]==0
    a,b = (home/n/'model.safetensors' for n in (f'keys{workers}',f'unstopped{workers}')); assert a.read_bytes()==b.read_bytes()

def test_one_process_in_a_folder(sagepose, home):
    "A second one is refused while the first lives, and finds no lock of it once it was killed, with its loader processes"
    p = shell('exec sagepose train tiny.yaml out=shared steps=4000 workers=2 --no-check', home)
    while not (home/'shared/checkpoint/epoch0001').exists() and p.poll() is None: time.sleep(.2)
    assert p.poll() is None, p.communicate()[1]
    for more in ('--no-check', '--resume', '--overwrite'):
        code,_,err = sagepose(f'train tiny.yaml out=shared steps=4000 workers=2 {more}')
        assert code==2 and 'another process is training there' in err
    p.kill(); p.communicate()
    code,_,err = sagepose('train --resume out=shared steps=6'); assert code==2 and 'was started with steps=4000' in err
    assert (home/'shared/log.csv').exists() and not (home/'shared/run.lock').exists()

def test_bad_folders(sagepose, home):
    for line in ('train tiny.yaml --no-check out=tiny.yaml/x', 'predict run data/val.json --out tiny.yaml/x', 'people tiny.yaml/x',
                 'show run --out tiny.yaml/x', 'demo --out tiny.yaml/x'):
        code,_,err = sagepose(line); assert code==2 and 'tiny.yaml is a file' in err and 'Errno' not in err, err
    code,_,err = sagepose('people data'); assert '--overwrite' in err and 'True' not in err
    code,_,err = sagepose('frames data'); assert code==2 and 'data/*.mp4' in err
    code,_,err = sagepose('show'); assert code==2 and 'required: run\n' in err

def test_terminals(home):
    "A reader that goes away, and one that has no letters for a name"
    out,err = shell('sagepose train --help | head -1', home).communicate()
    assert out.startswith('usage') and err==''
    out,err = shell('sagepose predict run ünï.jpg', home, LC_ALL='C', PYTHONUTF8='0', PYTHONIOENCODING='ascii').communicate()
    assert 'sagepose: error:' in err and 'no such image' in err and 'Traceback' not in err
    shutil.copy(next((home/'data/images').glob('val*.jpg')), home/'é.jpg')
    out,err = shell('sagepose predict run é.jpg --out é', home, LC_ALL='C', PYTHONUTF8='0', PYTHONIOENCODING='ascii').communicate()
    assert 'Traceback' not in err and '1 person' in out, err
    assert (home/'é/predictions.csv').read_text(encoding='utf-8').splitlines()[1].startswith('é.jpg')

def test_eval(sagepose, home):
    code,out,_ = sagepose('eval run --json scores.json')
    assert code==0 and out.startswith('6 people')
    s = json.loads((home/'scores.json').read_text())
    m = json.loads((home/'run/metrics.json').read_text())
    assert s['pck']==pytest.approx(m['pck'], abs=.02) and len(s['per_joint'])==14
    assert sagepose('eval run/best')[0]==0
    assert sagepose('eval run data/labelled.json --flip')[1].startswith('12 people')

def test_predict(sagepose, home):
    assert sagepose('predict --no-draw run data/val.json --flip')[0]==0
    recs = json.loads((home/'run/predictions/val/predictions.json').read_text())
    assert (len(recs)==6 and {len(r['keypoints']) for r in recs}=={42}
            and np.isfinite([r['keypoints'] for r in recs]).all())
    d = json.loads((home/'data/val.json').read_text()); (home/'data/bare.json').write_text(json.dumps(dict(d, annotations=[])))
    code,out,_ = sagepose('predict --no-draw run data/bare.json'); assert code==0 and 'each picture was taken as one person' in out
    img = next((home/'data/images').glob('val*.jpg'))
    code,out,_ = sagepose(f'predict run {img} --out one')
    assert code==0 and '1 person in 1 picture' in out and (home/'one/pictures'/img.name).exists()
    assert sagepose(f'predict run {img} --out one')[0]==2
    assert sagepose(f'predict run {img} --out one --overwrite')[0]==0
    two = list((home/'data/images').glob('*'))[:2]
    code,out,_ = sagepose(f'predict run {two[0]} {two[1]}')
    assert code==0 and out.startswith('2 people in 2 pictures: run/predictions/pictures/')

def test_predict_video(sagepose, home):
    import cv2
    w = cv2.VideoWriter(str(home/'film.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 10, (96,96))
    for f in sorted((home/'data/images').glob('*'))[:6]: w.write(cv2.resize(cv2.imread(str(f)), (96,96)))
    w.release(); (home/'film.csv').write_text('frame,x,y,w,h\n0,10,10,60,80\n0,20,10,60,80\n4,10,10,60,80\n')
    code,out,_ = sagepose('predict run film.avi')
    assert code==0 and out.startswith('6 people in 6 frames: run/predictions/film/') and 'Each frame was taken as one person' in out
    assert sagepose('predict run film.avi --every .2 --overwrite')[1].startswith('3 people in 3 frames')
    code,out,_ = sagepose('predict run film.avi --boxes film.csv --out boxed')
    assert code==0 and out.startswith('3 people in 2 frames') and '4 frames have no box\n' in out
    rows = list(csv.DictReader(open(home/'boxed/predictions.csv')))
    assert [(r['frame'],r['seconds']) for r in rows]==[('0','0.0'),('0','0.0'),('4','0.4')]
    assert cv2.VideoCapture(str(home/'boxed/drawn.mp4')).get(cv2.CAP_PROP_FRAME_COUNT)==6
    assert sagepose('predict run film.avi data/val.json')[0]==2 and sagepose('predict run data/val.json --every 1')[0]==2

# label and show

def learn_from(sagepose, said, out):
    "Metrics of the training that `label` proposes"
    line, = [l for l in said.splitlines() if l.startswith('  sagepose train ')]
    assert sagepose(line.split('sagepose ')[1].replace('out=NEW', f'out={out} steps=4 epoch_steps=2'))[0]==0
    return json.loads(Path(out,'metrics.json').read_text())

def test_what_label_proposes_is_learned(sagepose, home):
    """The command that `label` prints trains with the people that it wrote: after a run with unlabelled people, after one of
    labels alone, and where only the best model is left"""
    for run in ('run','alone','run/best'):
        name = run.replace('/','_')
        code,out,_ = sagepose(f'label {run} data/unlabelled.json --least 0 --most 1 --out data/{name}.json --no-draw')
        assert code==0 and '16 people stay' in out, out
        assert ('a peak of .1' in out)==(run!='run') and ('one model was both' in out)==(run=='run/best')
        m = learn_from(sagepose, out, f'after_{name}'); assert m['unlabelled']==16

def test_label_says_where_roots_conflict(sagepose, home):
    shutil.copytree('run', 'rooted'); f = home/'rooted/config.yaml'; old = f.read_text()
    assert 'root: ' in old; f.write_text(re.sub(r"(?m)^root:.*$", 'root: elsewhere', old).replace('data/labelled.json', 'gone.json'))
    code,out,_ = sagepose('label rooted data/unlabelled.json --least 0 --out data/rooted.json --no-draw')
    assert code==0 and 'root=elsewhere' in out and 'sagepose train' not in out
    assert 'not found from here' in out         # its labelled people

def test_label_writes_anywhere(sagepose, home):
    "Pictures that nothing may be written beside: names are relative to their folder, and the proposed command says so"
    (home/'far').mkdir()
    code,out,_ = sagepose('label run data/unlabelled.json --least 0 --most 1 --out far/people.json --no-draw')
    assert code==0 and f"root={(home/'data').resolve()}" in out and learn_from(sagepose, out, 'after_far')['unlabelled']==16

def test_label_reads_a_detectors_results(sagepose, home):
    ims = json.loads(Path('data/unlabelled.json').read_text())['images'][:5]
    Path('dets.json').write_text(json.dumps([dict(image_id=i['id'], bbox=[5,5,40,60], score=.9, category_id=1) for i in ims]))
    code,out,_ = sagepose('label run data/unlabelled.json --boxes dets.json --least 0 --out data/dets_people.json')
    assert code==0 and out.startswith('5 boxes') and (home/'run/pictures/label_dets_people.png').exists()
    a = json.loads(Path('data/dets_people.json').read_text())['annotations']
    assert [o['image_id'] for o in a]==[i['id'] for i in ims] and len({o['id'] for o in a})==5
    assert sagepose('train tiny.yaml unlabelled=data/unlabelled.json boxes=dets.json out=dets')[0]==0
    assert json.loads(Path('dets/metrics.json').read_text())['unlabelled']==5
    code,out,err = sagepose('train tiny.yaml unlabelled=data/unlabelled.json boxes=dets.json reference=data/unlabelled_reference.json out=known')
    assert code==0              # hidden labels by boxes: ids of detections are nobody's
    code,out,err = sagepose('label run data/images --least 0 --out data/whole.json --no-draw')
    assert code==0 and 'taken as one person' in out

def test_show(sagepose, home):
    code,out,_ = sagepose('show run --people 1 --out seen')
    assert code==0 and 'of 14 keypoints kept' in out and {f.name for f in Path('seen').iterdir()}=={'step_1.png','step_1.csv','predictions.png'}
    assert sagepose('show run --people 1 --out seen')[0]==2
    assert sagepose('show run --people 2 --out seen --overwrite')[0]==0 and sagepose('show run --people 1 --out seen --overwrite')[0]==0
    assert len([*Path('seen').iterdir()])==3            # none of the earlier drawings is left
    code,_,err = sagepose('show run seed=1'); assert code==2 and 'only where files are' in err
    code,out,_ = sagepose('show alone --out seen_alone')
    assert code==0 and 'labels alone' in out and [f.name for f in Path('seen_alone').iterdir()]==['predictions.png']
    shutil.copytree('run', 'cut'); [(home/'cut'/f).unlink() for f in ('model.safetensors','model.yaml','metrics.json')]
    assert sagepose('show cut --people 1 --out seen_cut')[0]==0         # a run that was stopped
    shutil.rmtree('cut/checkpoint'); code,_,err = sagepose('show cut --out seen_none')
    assert code==2 and 'no checkpoint' in err and not Path('seen_none').exists()

# demo

def test_demo_is_equal_compute(tmp_path):
    from sagepose.config import compute
    for short in (True,False):
        people,cfg = cli.demo_config(short)
        n = people['labelled'],people['unlabelled']; a = override(PoseConfig(), **cfg); b = labels_only(a, n)
        assert abs(compute(b, n)['F']/compute(a, n)['F']-1)<.02
        assert a.steps%a.epoch_steps==0

def test_demo_replaces_only_a_demo(tmp_path):
    d = cli._demo_folder(tmp_path/'a'); (d/'x').write_text('')
    assert not (cli._demo_folder(tmp_path/'a')/'x').exists()
    (tmp_path/'b').mkdir(); cli._demo_folder(tmp_path/'b')
    (tmp_path/'c').mkdir(); (tmp_path/'c/mine.txt').write_text('')
    with pytest.raises(SagePoseError, match='not made by'): cli._demo_folder(tmp_path/'c')
    assert (tmp_path/'c/mine.txt').exists()

def test_demo_end_to_end(sagepose, home, monkeypatch):
    people = dict(labelled=8, unlabelled=12, val=6, size=(72,54), skeleton='lsp14')
    cfg = dict(crop=(64,48), backbone='mobilenetv3_small_050', pretrained='none', levels=2, width=16,
               steps=4, epoch_steps=2, bs=2, ratio=1, device='cpu')
    monkeypatch.setattr(cli, 'demo_config', lambda short=False: (people,cfg))
    code,out,err = sagepose('demo --short --out demo')
    assert code==0, err
    assert 'labels only' in out and 'semi-supervised' in out and 'sagepose train' in out
    have = {p.name for p in (home/'demo/pictures').iterdir()}
    assert have=={'before_after.png','curves.png',*(f'step_{i}.{e}' for i in (1,2,3,4) for e in ('png','csv'))}
    assert sagepose('demo --short --out demo')[0]==0
