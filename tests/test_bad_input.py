"Every bad input that a user can bring, through the doors that a user has, and the words that it is met with"
import json,pickle,shutil
from pathlib import Path
import numpy as np,pytest,torch
from PIL import Image
import sagepose
from sagepose import cli
from sagepose.check import check_data,DataError
from sagepose.config import PoseConfig,override
from sagepose.data import image_files,read_coco,read_unlabelled,read_image
from sagepose.models import PoseModel,save_model
from sagepose.people import write_people
from sagepose.predict import evaluate,predict_paths
from sagepose.runs import train
from sagepose.ablations import pick_arms,run_study
from sagepose.skeleton import SagePoseError,coco17,lsp14

CROP = (64,48)
tiny = dict(crop=CROP, backbone='mobilenetv3_small_050', pretrained='none', levels=2, width=16,
            bs=4, ratio=1, steps=2, epoch_steps=2, stage1=0, stage2=0, device='cpu')

@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_people(tmp_path_factory.mktemp('bad')/'data', 8, 8, 4, (72,54), 'lsp14', seed=0)

@pytest.fixture(scope='module')
def run(tmp_path_factory):
    "A run folder with an untrained model of lsp14"
    torch.manual_seed(0)
    return save_model(tmp_path_factory.mktemp('run'),
                      PoseModel(tiny['backbone'], 14, 16, levels=2), lsp14, CROP)

@pytest.fixture
def copy(data, tmp_path):
    shutil.copytree(data, tmp_path/'d'); return tmp_path/'d'

def edit(path, f):
    d = json.loads(path.read_text()); f(d); path.write_text(json.dumps(d)); return path

def cfg(d, **kw):
    return override(PoseConfig(), **{**tiny, **{n:d/f'{n}.json' for n in ('labelled','unlabelled','val')},
                                     'out':d/'run', **kw})

def refused(f, *words):
    "`f` raises `SagePoseError` with all `words`"
    with pytest.raises(SagePoseError) as e: f()
    missing = [w for w in words if w not in str(e.value)]
    assert not missing, f'{missing} not in: {e.value}'

def refused_everywhere(d, *words, name='labelled'):
    "The data check, training, a study and the command line refuse the file `name` of `d`, with `words`"
    rep = check_data(d/'labelled.json', d/'unlabelled.json', d/'val.json')
    assert not rep.ok and all(w in str(rep) for w in words), rep
    refused(lambda: train(cfg(d), quiet=True), *words)
    with pytest.raises(SagePoseError) as e: run_study(pick_arms('baselines', 'labels only'), cfg(d), d/'study', quiet=True)
    assert 'labelled.json' in str(e.value) or all(w in str(e.value) for w in words)     # its plan counts people first
    assert not (d/'run').exists() and not list((d/'study').glob('*@*'))
    code = lambda *a: cli.main(['train', *(f'{k}={v}' for k,v in {**tiny, 'crop':'64,48'}.items()),
                                *(f'{n}={d}/{n}.json' for n in ('labelled','unlabelled','val')),
                                f'out={d}/cli', *a])
    assert code()==2 and not (d/'cli').exists()

def unchecked(cfg):
    "Training without the data check, which a user may skip"
    return train(cfg, quiet=True, check=False)

# the labels file

broken = {
    'not JSON':     ('{"images": [',                    'not JSON'),
    'empty':        ('',                                'not JSON'),
    'not text':     (b'\x80\x81\x82\x83',               'not text'),
    'another JSON': ('{"a": 1}',                        'images'),
    'a list':       ('[]',                              'list'),
    'a number':     ('3',                               'int'),
    'no lists':     ('{"images": 3, "annotations": 4}', 'images')}

@pytest.mark.parametrize('text,word', broken.values(), ids=broken)
def test_labels_file(copy, text, word, capsys):
    f = copy/'labelled.json'; f.write_bytes(text.encode() if isinstance(text,str) else text)
    refused_everywhere(copy, str(f), word)
    assert word in capsys.readouterr().err
    refused(lambda: read_coco(f), str(f))
    refused(lambda: unchecked(cfg(copy)), str(f))

def test_missing_labels_file(copy):
    (copy/'labelled.json').unlink()
    refused_everywhere(copy, 'labelled.json: no such file')
    refused(lambda: unchecked(cfg(copy)), 'no such file')

def test_no_labelled_person(copy):
    def f(d):
        for a in d['annotations']: a['keypoints'],a['num_keypoints'] = [0]*42,0
    f = edit(copy/'labelled.json', f)
    refused_everywhere(copy, 'no usable labelled person')
    refused(lambda: read_coco(f), str(f), 'no labelled person')
    refused(lambda: unchecked(cfg(copy)), 'no labelled person')
    edit(f, lambda d: d.update(annotations=[]))
    refused(lambda: read_coco(f), 'no labelled person')

def test_nan_coordinates(copy, capsys):
    def f(d): d['annotations'][2]['keypoints'][0] = float('nan')
    edit(copy/'labelled.json', f); id = json.loads((copy/'labelled.json').read_text())['annotations'][2]['id']
    refused_everywhere(copy, f'annotation {id}', 'right_ankle', 'nan')
    refused(lambda: unchecked(cfg(copy)), f'annotation {id}', 'right_ankle')

def test_box_without_area(copy):
    edit(copy/'labelled.json', lambda d: d['annotations'][1]['bbox'].__setitem__(3, 0))
    refused_everywhere(copy, 'no area')
    refused(lambda: unchecked(cfg(copy)), 'height is not')

@pytest.mark.parametrize('part,key',
                         [('images','file_name'), ('annotations','image_id'), ('annotations','bbox')])
def test_entry_without(copy, part, key):
    edit(copy/'labelled.json', lambda d: d[part][1].pop(key))
    refused_everywhere(copy, key)
    refused(lambda: unchecked(cfg(copy)), f'{part}[1]', key)

def test_17_keypoints_for_14_names(copy, run):
    def f(d):
        for a in d['annotations']: a['keypoints'] = [*a['keypoints'],*a['keypoints'][:9]]
    f = edit(copy/'labelled.json', f)
    refused_everywhere(copy, "17 keypoints, skeleton 'lsp14' has 14")
    refused(lambda: read_coco(f), '17', "'lsp14' has 14", 'skeleton=')
    refused(lambda: unchecked(cfg(copy)), '17', 'has 14')

def test_14_keypoints_for_17_names(copy):
    refused(lambda: read_coco(copy/'labelled.json', 'coco17'), 'has 14 keypoints', 'has 17')
    assert 'names 14 keypoints' in str(check_data(copy/'labelled.json', skeleton='coco17'))

# pictures

def test_unlabelled_folder_without_images(copy, capsys):
    (copy/'none').mkdir(); (copy/'none/readme.txt').write_text('')
    rep = check_data(copy/'labelled.json', copy/'none')
    assert not rep.ok and 'holds no image' in str(rep)
    refused(lambda: read_unlabelled(copy/'none', lsp14), str(copy/'none'), 'no images')
    refused(lambda: unchecked(cfg(copy, unlabelled=copy/'none')), 'no images')

def first(d): return d/json.loads((d/'labelled.json').read_text())['images'][0]['file_name']

@pytest.mark.parametrize('share', [0,.02,.5,.97])
def test_truncated_jpeg(copy, run, share):
    f = first(copy); raw = f.read_bytes(); f.write_bytes(raw[:int(len(raw)*share)])
    refused_everywhere(copy, f.name)
    refused(lambda: unchecked(cfg(copy)), f.name)
    refused(lambda: sagepose.load(run)(f), f.name, 'sagepose check')
    refused(lambda: predict_paths(run, f, copy/'out'), f.name)

def test_missing_picture(copy, run):
    f = first(copy); f.unlink()
    refused_everywhere(copy, f.name)
    refused(lambda: unchecked(cfg(copy)), f.name)
    refused(lambda: sagepose.load(run)(f), f.name)

@pytest.mark.parametrize('mode', ['RGBA','L','LA','P','1','I;16','CMYK'])
def test_odd_pictures_work(copy, run, mode):
    "Four channels, grey, palette, 16 bits: read as RGB bytes, trained on, predicted"
    f = first(copy); rgb = np.asarray(Image.open(f).convert('RGB')); im = Image.fromarray(rgb)
    im = Image.fromarray(rgb[...,0].astype(np.uint16)*257) if mode=='I;16' else im.convert(mode)
    g = f.with_suffix('.jpg' if mode=='CMYK' else '.png'); f.unlink(); im.save(g)
    edit(copy/'labelled.json', lambda d: d['images'][0].update(file_name=f'images/{g.name}'))
    x = read_image(g)
    assert x.dtype==np.uint8 and x.shape==rgb.shape
    if mode in ('RGBA','L','LA','I;16'):
        want = rgb if mode=='RGBA' else rgb[...,:1] if mode=='I;16' else np.asarray(im.convert('L'))[...,None]
        assert np.abs(x.astype(int)-want).max()<=1
    assert check_data(copy/'labelled.json', copy/'unlabelled.json', copy/'val.json').ok
    assert (train(cfg(copy), quiet=True)/'metrics.json').exists()
    p = sagepose.load(run)(g)
    assert p.kpts.shape==(1,14,2) and np.isfinite(p.kpts).all()
    assert predict_paths(run, g, copy/'out')['people']==1

def test_sideways_photo(copy, run):
    "A photo that says how it was held is turned upright, and so is the box of a whole picture"
    f = first(copy); exif = Image.Exif(); exif[0x112] = 6
    im = Image.open(f).convert('RGB'); im.transpose(Image.Transpose.ROTATE_90).save(f, exif=exif, quality=95)
    assert read_image(f).shape==(72,54,3)
    (copy/'one').mkdir(); shutil.copy(f, copy/'one')
    assert read_unlabelled(copy/'one', lsp14).boxes.tolist()==[[0,0,54,72]]
    assert sagepose.load(run)(Image.open(f)).boxes.tolist()==[[0,0,54,72]]

# runs and weights

def test_run_of_another_skeleton(run, data, tmp_path):
    refused(lambda: sagepose.load(run, skeleton='coco17'),
            str(run), "'lsp14' (14 keypoints)", "'coco17' (17)")
    d = write_people(tmp_path/'c', 2, 2, 2, (72,54), 'coco17')
    refused(lambda: evaluate(sagepose.load(run), read_coco(d/'val.json')),
            'val.json', "'coco17' (17", "'lsp14' (14)")
    refused(lambda: train(cfg(d, init=run), quiet=True), "'lsp14' (14 keypoints)", "'coco17' (17)")
    assert cli.main(['eval', str(run), str(d/'val.json')])==2

class Boom:
    "Unpickling this writes a file"
    def __init__(self, f): self.f = str(f)
    def __reduce__(self): return open,(self.f,'w')

@pytest.mark.parametrize('how', ['torch','pickle'])
def test_checkpoint_that_is_a_pickle(run, data, tmp_path, how):
    boom,r = tmp_path/'boom',tmp_path/'r'; shutil.copytree(run, r); f = r/'model.safetensors'
    if how=='torch': torch.save({'a':Boom(boom)}, f)
    else: f.write_bytes(pickle.dumps(Boom(boom)))
    refused(lambda: sagepose.load(r), str(f), 'pickle', 'safetensors')
    shutil.copy(f, tmp_path/'w.pth')
    refused(lambda: train(cfg(data, pretrained=tmp_path/'w.pth', out=tmp_path/'o'), quiet=True),
            'w.pth', 'pickle')
    assert cli.main(['predict', str(r), str(data/'val.json'), '--out', str(tmp_path/'p')])==2
    assert not boom.exists()

def test_weights_of_another_model(run, tmp_path):
    r = tmp_path/'r'; shutil.copytree(run, r)
    save_model(tmp_path/'s', PoseModel('resnet18', 14, 16, levels=2), lsp14, CROP)
    shutil.copy(tmp_path/'s/model.safetensors', r)
    refused(lambda: sagepose.load(r), str(r))

def test_finished_run_is_kept(data, tmp_path):
    c = cfg(data, out=tmp_path/'run'); train(c, quiet=True)
    old = (tmp_path/'run/log.csv').stat().st_mtime_ns
    refused(lambda: train(c, quiet=True), str(tmp_path/'run'), 'finished run', '--overwrite')
    refused(lambda: train(c, resume=True, quiet=True), 'finished run')
    assert (tmp_path/'run/log.csv').stat().st_mtime_ns==old
    train(c, overwrite=True, quiet=True)
    assert (tmp_path/'run/log.csv').stat().st_mtime_ns>old

def test_prediction_is_kept(run, data, tmp_path):
    f = next((data/'images').glob('val*'))
    predict_paths(run, f, tmp_path/'o'); (tmp_path/'o/mine.txt').write_text('')
    refused(lambda: predict_paths(run, f, tmp_path/'o'), 'exists already', '--overwrite')
    predict_paths(run, f, tmp_path/'o', overwrite=True)
    assert (tmp_path/'o/mine.txt').exists()

# a module of one's own

def test_own_module(tmp_path):
    d = write_people(tmp_path/'d', 4, 4, 2, CROP, 'lsp14', seed=0)
    own = torch.nn.Conv2d(3, 14, 8, stride=4, padding=2)
    run = lambda **kw: lambda: train(override(cfg(d), **kw), model=own, quiet=True)
    refused(run(pretrained='weights.safetensors'), 'pretrained=weights.safetensors', 'module of your own')
    refused(run(visibility=True, seen='head'), 'no visibility logits', 'seen=head')

def test_pictures_that_are_none_of_the_set(data, tmp_path):
    for n in ('a.png','.ipynb_checkpoints/a-checkpoint.png','._a.png'):
        (tmp_path/n).parent.mkdir(exist_ok=True); Image.new('RGB', (60,80)).save(tmp_path/n)
    assert [p.name for p in image_files(tmp_path)]==['a.png']
    for mode in 'FI':       # floats, and integers of 32 bits
        (tmp_path/mode).mkdir(); Image.new(mode, (60,80)).save(tmp_path/mode/'f.tif')
        refused(lambda: check_data(data/'labelled.json', tmp_path/mode).raise_if_errors(), 'f.tif', 'floats or 32 bits')

def test_init_that_would_be_removed(run, data, tmp_path):
    shutil.copytree(run, tmp_path/'a'/'best')
    for o in (tmp_path/'a', tmp_path/'a'/'best'):
        again = cfg(data, init=tmp_path/'a'/'best', out=o)
        refused(lambda: train(again, overwrite=True, quiet=True), 'which this run writes')
    assert (tmp_path/'a'/'best'/'model.safetensors').exists()

def test_a_launcher_of_several_processes_is_refused(copy, monkeypatch):
    monkeypatch.setenv('WORLD_SIZE', '2')
    refused(lambda: train(cfg(copy), quiet=True), 'WORLD_SIZE=2', 'one process')
    assert not (copy/'run').exists()

def test_a_study_on_a_gpu_that_is_not_there(copy):
    refused(lambda: run_study('baselines', cfg(copy), copy/'study', devices=('cuda:98','cuda:99')), 'device=cuda:98')
    assert not (copy/'study').exists()

def test_resume_and_overwrite_exclude_each_other(copy):
    refused(lambda: train(cfg(copy), resume=True, overwrite=True, quiet=True), 'use one of them')
