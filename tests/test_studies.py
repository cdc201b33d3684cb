"The study of real people as a command, on generated ones in the place of the data"
import json,os,subprocess,sys
from pathlib import Path
import pytest
from sagepose.config import read_config
from sagepose.people import write_people
from sagepose.runs import read_csv

root = Path(__file__).resolve().parent.parent
tiny = ('backbone=resnet10t pretrained=none levels=2 width=16 freeze=0 stage1=.5 stage2=.5 '
        'epoch_steps=20 bs=2 bs0=6')

def study(cwd, *args, name='lsp14'):
    env = dict(os.environ, PYTHONPATH=str(root))
    return subprocess.run([sys.executable,str(root/f'studies/{name}.py'),*args], cwd=cwd, env=env, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=400)

@pytest.fixture(scope='module')
def data(tmp_path_factory):
    "A folder that looks like DATA"
    d = write_people(tmp_path_factory.mktemp('study')/'DATA', 12, 10, 6, (72,54), 'lsp14', seed=3)
    names = dict(labelled='train', unlabelled='unlabeled', unlabelled_reference='unlabeled_reference')
    for a,b in names.items(): (d/f'{a}.json').rename(d/f'{b}.json')
    return d

def test_study_of_real_people(data, tmp_path):
    args = [str(data),'--seeds','0,1','--labels','6','--size','32','--steps','40','--lspet','1','--looks','1',
            '--set',tiny,'--tag','pool','--arms','labels only,semi views=2']
    p = study(tmp_path, *args); assert not p.returncode, p.stdout[-2000:]
    name = 'lsp14_6_32_lspet_40_pool'; run = tmp_path/'runs'/name/'semi,views=2@1'
    rows = read_csv(tmp_path/f'results/{name}_baselines.csv')
    assert {(r['arm'],int(r['seed'])) for r in rows}=={(a,s) for a in ('labels only','semi views=2') for s in (0,1)}
    cfg = read_config(run/'config.yaml')
    assert (cfg.backbone,cfg.width,cfg.views,cfg.seed,cfg.crop)==('resnet10t',16,2,1,(32,32))
    # labels are drawn from the pool, for each seed its own, and the command names what was asked for
    drawn = [json.loads((tmp_path/f'runs/{name}/splits/labels_6_seed{s}.json').read_text()) for s in (0,1)]
    pool = {im['id'] for im in json.loads((data/'train.json').read_text())['images']}
    assert drawn[0]!=drawn[1] and all(len({*d})==6 and {*d}<=pool for d in drawn)
    said = json.loads((tmp_path/f'results/{name}_baselines.json').read_text())['command']
    assert str(tmp_path) not in said and all(f'{a} ' in said for a in ('--lspet 1','--tag pool','--labels 6'))
    assert f'--set "{tiny}"' in said and '--arms "labels only,semi views=2"' in said
    # asked again, nothing is trained again
    done = {f:f.stat().st_mtime_ns for f in run.parent.rglob('*.safetensors')}; assert done
    p = study(tmp_path, *args); assert not p.returncode, p.stdout[-2000:]
    assert {f:f.stat().st_mtime_ns for f in run.parent.rglob('*.safetensors')}==done

@pytest.mark.parametrize('args,words', [(('--set','width'), "'width' is not key=value"),
                                        (('--set','widht=3'), 'widht'),
                                        (('--extra','.5'), '--extra needs --people'),
                                        (('--set','steps=40'), 'there is --steps'),
                                        (('--seeds','0-2'), 'give numbers'), (('--seeds','²'), 'give numbers'),
                                        (('--labels','12'), 'between 1 and 11'),
                                        (('--tag','a/b'), 'part of a file name'), (('--tag','a\\b'), 'part of a file name'),
                                        (('--arms','semi vews=3'), 'vews')])
def test_study_refuses(data, tmp_path, args, words):
    p = study(tmp_path, str(data), '--labels','6', *args)
    assert p.returncode and words in p.stdout and 'Traceback' not in p.stdout, p.stdout[-2000:]
    assert not [*tmp_path.glob('runs/*/*@*')]

def test_study_of_another_light(tmp_path):
    "Only unlabelled people and those of validation are moved into the night, and once"
    import cv2
    go = lambda: study(tmp_path, '--short', '--seeds', '0', '--arms', 'labels only,method, FDA', name='other_light')
    p = go(); assert not p.returncode, p.stdout[-2000:]
    d = tmp_path/'runs/night/people0/images'
    light = lambda n: sum(cv2.imread(str(f)).mean() for f in d.glob(f'{n}_*'))/len([*d.glob(f'{n}_*')])
    day,night,val = map(light, ('labelled','unlabelled','val')); assert night<.4*day and val<.4*day
    assert {r['arm'] for r in read_csv(tmp_path/'results/other_light_night.csv')}=={'labels only','method, FDA'}
    assert not go().returncode and light('val')==val
