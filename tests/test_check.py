"Each kind of bad input and the finding it must give"
import json,sys,subprocess
from pathlib import Path
import numpy as np, pytest
from PIL import Image
from sagepose.check import DataError,check_data,read_json
from sagepose.skeleton import Skeleton,SagePoseError,coco17,lsp14

W,H = 60,80
LSP = Path(__file__).parents[2]/'shared/data/lsp14'

def picture(path, seed, size=(W,H), **kw):
    r = np.random.default_rng(seed)
    Image.fromarray(r.integers(0,256,(8,6,3),dtype=np.uint8)).resize(size, Image.BICUBIC).save(path, **kw)

def coco(ids):
    kp = lambda i: [20+i%5,30,2, *[30,40,1]*13]
    return dict(images=[dict(id=i, file_name=f'{i}.png', width=W, height=H) for i in ids],
                annotations=[dict(id=i, image_id=i, category_id=1, iscrowd=0, bbox=[10,20,40,50],
                                  num_keypoints=14, keypoints=kp(i)) for i in ids],
                categories=[lsp14.to_coco()])

@pytest.fixture
def folder(tmp_path):
    for i in range(9): picture(tmp_path/f'{i}.png', i)
    return tmp_path

def save(folder, d, name='a.json'):
    (folder/name).write_text(d if isinstance(d,str) else json.dumps(d)); return folder/name

def found(rep, level): return [(f.kind,f.entry,f.message) for f in rep.findings if f.level==level]

A = lambda d,i=1: d['annotations'][i]
def kpt(i, v): return lambda d: A(d)['keypoints'].__setitem__(i, v)
def ann(**kw): return lambda d: A(d).update(**kw)
def img(**kw): return lambda d: d['images'][1].update(**kw)
def drop(part, key): return lambda d: d[part][1].pop(key)

# what is done to a good file, level, kind, entry, words of the message
cases = [
    (ann(bbox=[10,20,0,50]),         'error','box','annotation 1','no area'),
    (ann(bbox=[10,20,40,-5]),        'error','box','annotation 1','no area'),
    (ann(bbox=[100,20,40,50]),       'error','box','annotation 1','outside of the 60x80 image'),
    (ann(bbox=[10,20,40]),           'error','box','annotation 1','four finite numbers'),
    (ann(bbox=['a',2,3,4]),          'error','box','annotation 1','four finite numbers'),
    (ann(bbox=[10,20,float('inf'),5]),'error','box','annotation 1','four finite numbers'),
    (ann(bbox={'x':1}),              'error','box','annotation 1','four finite numbers'),
    (drop('annotations','bbox'),     'error','box','annotation 1',"no 'bbox'"),
    (ann(bbox=[40,60,60,70]),        'warning','box','annotation 1','more than half'),
    (ann(bbox=[50,70,5,5]),          'warning','box','annotation 1','not in its box'),
    (kpt(0, float('nan')),           'error','keypoints','annotation 1','right_ankle'),
    (kpt(4, float('inf')),           'error','keypoints','annotation 1','right_knee'),
    (kpt(0, None),                   'error','keypoints','annotation 1','None'),
    (kpt(0, '20'),                   'error','keypoints','annotation 1',"'20'"),
    (kpt(2, 3),                      'error','keypoints','annotation 1','v=3'),
    (kpt(2, .5),                     'error','keypoints','annotation 1','v=0.5'),
    (kpt(0, 500),                    'error','keypoints','annotation 1','another unit'),
    (kpt(0, -6),                     'warning','outside','annotation 1','6 px outside'),
    (ann(keypoints=[1,2]*20),        'error','keypoints','annotation 1','not triplets'),
    (ann(keypoints=[1,2,2]*17),      'error','keypoints','annotation 1',
                                     "17 keypoints, skeleton 'lsp14' has 14"),
    (ann(keypoints=None),            'error','keypoints','annotation 1',"no list 'keypoints'"),
    (ann(keypoints=[.3,.5,2]*14),    'error','keypoints','annotation 1','pixels'),
    (ann(num_keypoints=3),           'warning','num_keypoints','annotation 1','says 3'),
    (ann(image_id=77),               'error','image_id','annotation 1','image 77'),
    (ann(id=0),                      'error','duplicate id','annotations[1]','id 0'),
    (img(id=0),                      'error','duplicate id','images[1]','id 0'),
    (drop('annotations','image_id'), 'error','format','annotations[1]','lacks image_id'),
    (drop('images','file_name'),     'error','format','images[1]','lacks file_name'),
    (ann(id=[1]),                    'error','format','annotations[1]','id is [1]'),
    (lambda d: d['images'].append(5),'error','format','images[3]','lacks id, file_name'),
    (img(file_name='/etc/passwd'),   'error','file name','image 1','absolute'),
    (img(file_name='C:\\a.png'),     'error','file name','image 1','absolute'),
    (img(file_name='x/../../1.png'), 'error','file name','image 1',"'..'"),
    (img(file_name=' '),             'error','file name','image 1','empty'),
    (img(file_name='none.png'),      'error','image','image 1','none.png is not there'),
    (img(file_name='a.json'),        'error','image','image 1','not an image'),
    (img(width=61),                  'warning','size','image 1','is 60x80, the list says 61x80'),
    (lambda d: [i.pop('width') for i in d['images']], 'warning','size','','3 images state no'),
    (lambda d: d.pop('annotations'), 'error','format','',"no list 'annotations'"),
    (lambda d: d.pop('images'),      'error','format','',"no list 'images'"),
    (lambda d: d.update(images=[]),  'error','empty','','no image'),
    (lambda d: d.update(annotations=[]), 'error','empty','','no usable labelled person'),
    (lambda d: [a.update(keypoints=[0]*42, num_keypoints=0) for a in d['annotations']],
                                     'error','empty','','no usable labelled person'),
    (lambda d: [a['keypoints'].__setitem__(slice(0,3),[0,0,0]) or a.update(num_keypoints=13)
                for a in d['annotations']], 'warning','joints','','right_ankle'),
    (lambda d: d.pop('categories'),  'error','skeleton','','no category'),
    (lambda d: d['categories'][0]['keypoints'].__setitem__(1,'right_ankle'),
                                     'error','skeleton','','twice'),
]

@pytest.mark.parametrize('change,level,kind,entry,words', cases)
def test_bad_entry(folder, change, level, kind, entry, words):
    d = coco(range(3)); change(d)
    rep = check_data(save(folder, d))
    hits = [f for f in rep.findings if f.level==level and f.kind==kind and words in f.message]
    assert hits, str(rep)
    assert hits[0].entry==entry and hits[0].file==str(folder/'a.json')
    if level=='warning': assert rep.ok
    else:
        with pytest.raises(DataError, match='data check: [1-9]') as e: rep.raise_if_errors()
        assert isinstance(e.value, SagePoseError) and e.value.report is rep

def test_good(folder):
    rep = check_data(save(folder, coco(range(3))), save(folder, coco(range(3,6)),'u.json'),
                     save(folder, coco(range(6,9)),'v.json'), 'lsp14')
    assert not rep.findings and rep.raise_if_errors() is rep
    assert rep.sizes=={'labelled':'a.json, 3 images, 3 persons', 'unlabelled':'u.json, 3 images, 3 persons',
                       'val':'v.json, 3 images, 3 persons'}

@pytest.mark.parametrize('text,words', [('{"a":1,}', 'line 1 column'), ('', 'line 1 column 1'),
    ('[]', 'holds a list'), ('3', 'holds a int'), ('{"images":[],\n"annotations":[', 'line 2')])
def test_not_coco(folder, text, words):
    rep = check_data(save(folder, text))
    assert words in rep.errors[0].message

def test_no_file(folder):
    assert 'no such file' in check_data(folder/'no.json').errors[0].message
    assert 'is a folder' in check_data(folder).errors[0].message
    (folder/'b.json').write_bytes(b'\xff\xd8\xff\xe0' + bytes(range(256)))
    assert 'is not' in check_data(folder/'b.json').errors[0].message

@pytest.mark.parametrize('suffix,cut', [('jpg',.5), ('jpg',.95), ('png',.5), ('jpg',0), ('png',.02)])
def test_truncated(folder, suffix, cut):
    p = folder/f'x.{suffix}'; picture(p, 1, (300,400)); raw = p.read_bytes()
    p.write_bytes(raw[:int(len(raw)*cut)])
    d = coco(range(3)); d['images'][1].update(file_name=p.name, width=300, height=400)
    errors = check_data(save(folder, d)).errors
    assert len(errors)==1 and errors[0].entry=='image 1' and p.name in errors[0].message
    assert not check_data(folder/'a.json', images=False).findings      # the lists alone are fine

@pytest.mark.parametrize('mode', ['L','RGBA','P','LA','1','I;16'])
def test_modes(folder, mode):
    im = Image.open(folder/'1.png')
    im = Image.fromarray(np.full((H,W),900,np.uint16)) if mode=='I;16' else im.convert(mode)
    im.save(folder/'1.png')
    rep = check_data(save(folder, coco(range(3))))
    assert rep.ok and len(rep.notes)==1 and f'1 of mode {mode}' in rep.notes[0].message

def test_exif(folder):
    exif = Image.Exif(); exif[0x112] = 6
    picture(folder/'e.jpg', 1, (H,W), exif=exif)                 # loaded as W x H
    d = coco(range(3)); d['images'][1]['file_name'] = 'e.jpg'
    assert not check_data(save(folder, d)).findings
    d['images'][1].update(width=H, height=W)
    assert 'EXIF' in check_data(save(folder, d)).errors[0].message

def test_skeletons(folder):
    p = save(folder, coco(range(3)))
    assert '14 keypoints' in check_data(p, skeleton='coco17').errors[0].message
    swap = coco(range(6,9)); n = swap['categories'][0]['keypoints']; n[2],n[3] = n[3],n[2]
    e = check_data(p, val=save(folder, swap, 'v.json')).errors
    assert [f.kind for f in e]==['skeleton'] and 'order differs' in e[0].message
    other = Skeleton('fr', [f'j{i}' for i in range(14)], [(0,1)])
    rep = check_data(p, skeleton=other)
    assert rep.ok and rep.warnings[0].kind=='skeleton'

def test_crowds_and_empty_people_are_skipped(folder):
    d = coco(range(3))
    A(d,1).update(iscrowd=1, keypoints=[], bbox=[0,0,0,0])
    A(d,2).update(keypoints=[0]*42, num_keypoints=0, bbox=[0,0,0,0])
    rep = check_data(save(folder, d))
    assert rep.ok and rep.sizes['labelled']=='a.json, 3 images, 1 persons, 1 without a labelled joint'

def test_a_category_that_nobody_lists(folder):
    d = coco(range(9)); d['categories'] += [dict(id=2, name='dog')]
    for a in d['annotations'][:4]: a['category_id'] = 99
    rep = check_data(save(folder, d))
    assert [f.kind for f in rep.warnings]==['category'] and '4 annotations are of a category' in rep.warnings[0].message

def test_a_category_that_is_left_out_is_named(folder):
    d = coco(range(3)); dog = dict(id=2, name='dog', keypoints=['nose','tail'], skeleton=[])
    d['annotations'] += [dict(id=9, image_id=0, category_id=2, bbox=[1,1,9,9], keypoints=[2,2,2,3,3,2])]
    d['categories'] = [*d['categories'], dog]; rep = check_data(save(folder, d))
    assert [f.kind for f in rep.warnings]==['category'] and "1 annotations of 'dog'" in rep.warnings[0].message
    d['categories'] = [dog, d['categories'][0]]     # the first one with keypoints is read
    assert "3 annotations of 'person'" in check_data(save(folder, d)).warnings[0].message
    rep = check_data(save(folder, d), skeleton='lsp14'); assert rep.sizes['labelled']=='a.json, 3 images, 3 persons'

def test_no_pairs_are_named(folder):
    d = coco(range(3)); names = d['categories'][0]['keypoints']
    d['categories'][0]['keypoints'] = [f'p{i}' for i in range(14)]
    assert [f.kind for f in check_data(save(folder, d)).warnings]==['flips']
    sk = folder/'sk.yaml'; own = dict(name='own', names=d['categories'][0]['keypoints'], limbs=[[0,1]])
    for more,kinds in (({}, ['flips']), (dict(flips=[]), []), (dict(flips=[[0,5]]), [])):   # [] says that there are none
        sk.write_text(json.dumps(own|more)); rep = check_data(save(folder, d), skeleton=str(sk))
        assert [f.kind for f in rep.warnings]==kinds
    d['categories'][0]['keypoints'] = [n.replace('left_','L').replace('right_','R') if '_' in n else n for n in names]
    d['categories'][0]['keypoints'] = [n[0]+n[1:].capitalize() if n[0] in 'LR' else n for n in d['categories'][0]['keypoints']]
    assert not check_data(save(folder, d)).findings

def test_folders(folder):
    p = save(folder, coco(range(3))); crops = folder/'crops'; crops.mkdir()
    assert 'holds no image' in check_data(p, crops).errors[0].message
    assert 'no such' in check_data(p, folder/'nothere').errors[0].message
    picture(crops/'é 1.JPG', 50, format='JPEG'); (crops/'notes.txt').write_text('x')
    assert check_data(p, crops).sizes['unlabelled']=='crops, 1 images, 1 persons'
    (crops/'bad.png').write_bytes(b'')
    assert check_data(p, crops).errors[0].entry=='image bad.png'

@pytest.mark.parametrize('rows,words', [
    ('file,x,y,w\na.png,1,2,3\n', 'lacks the columns h'), ('', 'lacks the columns'),
    ('file,x,y,w,h\n0.png,1,2,,4\n', 'four finite numbers'), ('file,x,y,w,h\n0.png,1,2,0,4\n', 'no area'),
    ('file,x,y,w,h\n../0.png,1,2,3,4\n', "'..'"), ('file,x,y,w,h\nq.png,1,2,3,4\n', 'not there'),
    ('file,x,y,w,h\n0.png,1,2,nan,4\n', 'finite'), ('file,x,y,w,h\n', 'no box'),
    ('file,x,y,w,h\n0.png,70,2,30,4\n', 'outside of the 60x80'),
    ('[{"file":"0.png","x":1}]', 'lacks y, w, h'), ('{"0.png": 3}', 'lacks y, w, h'), ('7', 'list of boxes'),
    ('{"0.png": [[1,2,3,4],[1,2,3]]}', 'lacks h')])
def test_box_lists(folder, rows, words):
    b = folder/('b.json' if rows[:1] in '[{7' and rows else 'b.csv'); b.write_text(rows)
    rep = check_data(save(folder, coco(range(3))), (folder,b))
    assert words in str(rep.errors), str(rep)

def test_copies(folder):
    p,v = save(folder, coco(range(3))),coco(range(6,9))
    (folder/'new.png').write_bytes((folder/'0.png').read_bytes())
    v['images'][0]['file_name'] = 'new.png'
    rep = check_data(p, val=save(folder, v, 'v.json'), near='warning')
    assert [f.kind for f in rep.errors]==['val in labelled'] and 'a copy of' in rep.errors[0].message
    picture(folder/'near.jpg', 1, (2*W,2*H), quality=30)
    v = coco(range(6,9)); v['images'][0].update(file_name='near.jpg', width=2*W, height=2*H)
    v['annotations'][0].update(bbox=[20,40,80,100], keypoints=[40,60,2]*14)
    v = save(folder, v, 'v.json')
    assert [f.kind for f in check_data(p, val=v).errors]==['val in labelled']
    assert check_data(p, val=v, near='warning').ok and check_data(p, val=v, near='warning').warnings
    assert not check_data(p, val=v, near=None).findings
    assert check_data(p, folder, v).twins           # val is inside of the unlabelled folder
    rep = check_data(p, p)
    assert rep.ok and len(rep.warnings)==3

def test_same_room_other_person(folder):
    "Frames of a fixed camera differ in the person only, and must pass; blank ones too"
    r = np.random.default_rng(0)
    room = np.array(Image.fromarray(r.integers(0,256,(12,16,3),dtype=np.uint8)).resize((320,240), 3))
    def d(ids):
        return dict(coco(ids), images=[dict(id=i, file_name=f'r{i}.png', width=320, height=240) for i in ids])
    for i in range(8):
        im = room.copy(); im[90:150,100:150] = np.array(
            Image.fromarray(r.integers(0,256,(6,5,3),dtype=np.uint8)).resize((50,60), 3))
        Image.fromarray(im).save(folder/f'r{i}.png')
    a,b = d(range(4)),d(range(4,8))
    for o in (*a['annotations'],*b['annotations']): o.update(bbox=[100,90,50,60], keypoints=[120,120,2]*14)
    assert not check_data(save(folder,a), val=save(folder,b,'v.json')).findings
    for i in range(8): Image.new('RGB', (320,240), (i*9,0,0)).save(folder/f'r{i}.png')
    assert check_data(folder/'a.json', val=folder/'v.json').ok

def test_ids(folder):
    p = save(folder, coco(range(6)))
    save(folder, [0,1], 'ids.json')
    rep = check_data(p, p, ids=dict(labelled=folder/'ids.json', unlabelled=[3,4]))
    assert not rep.findings and rep.sizes['labelled']=='a.json, 2 images, 2 persons'
    assert 'chosen image ids' in check_data(p, ids=dict(labelled=[0,99])).errors[0].message

def test_long_reports_are_short(folder):
    d = coco(range(3))
    d['images'] += [dict(id=i, file_name=f'no{i}.png', width=W, height=H) for i in range(3,503)]
    rep = check_data(save(folder, d), max_report=10)
    assert len(rep.errors)==500 and len(str(rep).splitlines())<=13 and '... and 490 more' in str(rep)
    assert rep._repr_markdown_().count('\n')<20

def test_boxes_that_hug_as_two_corners(folder):
    d = coco(range(9)); d['annotations'] = [a|dict(id=a['id']+9*k) for k in (0,1) for a in d['annotations']]
    assert {f.kind for f in check_data(save(folder, d)).findings}=={'twice'}
    for a in d['annotations']:
        x,y = (np.array(a['keypoints'][i::3]) for i in (0,1)); a['bbox'] = [float(v) for v in (x.min(), y.min(), x.max(), y.max())]
    assert any('fit them as two corners' in f.message for f in check_data(save(folder, d)).warnings)

def test_a_folder_without_boxes(folder):
    d = coco(range(6)); (folder/'crops').mkdir(); Image.new('RGB', (W,H)).save(folder/'crops'/'0.png')
    for a in d['annotations']: a['bbox'] = [1,1,W-2,H-2]
    kinds = lambda: [f.kind for f in check_data(save(folder, d), folder/'crops').warnings]
    assert 'boxes' not in kinds()
    for a in d['annotations']: a['bbox'] = [W/4,H/4,W/2,H/2]        # a quarter of the picture
    assert 'boxes' in kinds()

def test_root(folder):
    (folder/'lists').mkdir(); p = save(folder/'lists', coco(range(3)))
    e, = check_data(p).errors; assert 'none of its 3 images is below' in e.message and '--root' in e.message
    assert check_data(p, root=folder).ok and check_data(p, root=dict(labelled=folder)).ok

def test_kind(folder):
    with pytest.raises(DataError, match='holds a dict, expected a list'): read_json(save(folder, {}), list)

def test_without_torch():
    code = "import sys, sagepose.check; sys.exit(any(m in sys.modules for m in ('torch','matplotlib')))"
    assert subprocess.run([sys.executable, '-c', code]).returncode==0

@pytest.mark.data
@pytest.mark.skipif(not LSP.exists(), reason='the folder ../shared/data is not here')
def test_lsp():
    rep = check_data(LSP/'train.json', val=LSP/'val.json')
    assert rep.ok and not rep.twins and rep.sizes['val']=='val.json, 297 images, 297 persons'
