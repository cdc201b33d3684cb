"Every number of README.md's tables and sentences, and some of the pages', is what the files in results/ say"
import json, re
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path
import pandas as pd, pytest
from scipy.stats import t
from sagepose.ablations import by_seed,difference,read_results as read
from sagepose.metrics import mean_ci

read_results = lru_cache(read)
root = Path(__file__).resolve().parent.parent
readme = (root/'README.md').read_text(encoding='utf-8')
flat = ' '.join(readme.split())     # sentences, wherever their lines break

@lru_cache
def page(name):
    "The text of a page of results, as `flat`"
    cells = json.loads((root/f'nbs/{name}.ipynb').read_text(encoding='utf-8'))['cells']
    return ' '.join(' '.join(''.join(c['source']) for c in cells if c['cell_type']=='markdown').split())

def num(x, sign=False):
    "Percent with one digit and without the zero before the point, as README.md writes it"
    s = f'{100*x:+.1f}' if sign else f'{100*x:.1f}'
    s = s.replace('0.', '.', 1) if abs(100*x)<.95 else s
    return {'-.0':'.0', '+.0':'.0'}.get(s, s)

def span(d): return f'{num(d.mean, True)} [{num(d.lo)}, {num(d.hi)}]'

def lead(d): return f'**{span(d)}**' if d.lo>0 else span(d)

def gains(name, n, k, arm='method', more=''):
    "The row of README.md's main table from its second column on, of `n` seeds, `k` of *nothing kept*"
    d = pd.concat([read_results(root/f'results/{f}.json').data for f in (name,more) if f])
    own = by_seed(d, arm); among = lambda v: v[v.index.isin(own.index)]
    last,none = (among(by_seed(d, a)) for a in ('labels only','nothing kept'))
    best = among(by_seed(d, 'labels only', best=True))
    assert last.size==best.size==own.size==n and none.size==k
    m = mean_ci(own)
    over = lead(difference(d, arm, 'nothing kept'))+f' ({k} seeds)'*(k<n) if k else '–'
    return (f'| {n} | {num(last.mean())} ({num(best.mean())}) | '
            f'{num(none.mean()) if k else "–"}'+f' ({k} seeds)'*(0<k<n)+' | '
            f'{num(m.mean)} [{num(m.lo)}, {num(m.hi)}] | '
            f'{lead(difference(d, arm, "labels only"))} | '
            f'{lead(difference(d, arm, "labels only", ref_best=True))} | '
            f'{over} |')

@pytest.mark.parametrize('name,n,k', [
    ('lsp14_100_256_lspet_1504_baselines', 3, 0),
    ('lsp14_50_256_lspet_1504_baselines', 3, 0),
    ('lsp14_50_256_baselines',  3, 0),
    ('lsp14_100_256_baselines', 5, 3),
    ('lsp14_200_256_baselines', 3, 0),
    ('lsp14_50_128_baselines',  8, 3),
    ('lsp14_100_128_baselines', 9, 5),
    ('lsp14_200_128_baselines', 3, 0),
    ('lsp14_100_128_people6000_987_baselines', 3, 0),
    ('demo_baselines',          9, 9),
    ('generated_baselines',     3, 0)])
def test_gains(name, n, k):
    row = gains(name, n, k, more='lsp14_100_128_fresh'*(name=='lsp14_100_128_baselines'))
    assert row in readme, row

def test_bill():
    F = {int(round(read_results(root/f'results/{n}_baselines.json').data.query("arm=='method' and metric=='F'").value.iloc[0], -3))
         for n in ('demo','lsp14_100_128','lsp14_100_256','lsp14_100_256_lspet_1504')}
    assert F=={62000,151000,284000} and '62,000 in the demonstration, 151,000 with LSP and 284,000 with all of LSP-extended' in flat
    assert [round(36*n, -2) for n in (260,1034-470,1504-470)]==[9400,20300,37200]      # steps with 36 views each

def test_every_file_is_described():
    said = re.findall(r'`([a-z0-9_*]+)`', (root/'results/README.md').read_text(encoding='utf-8'))
    files = {f.stem for f in (root/'results').iterdir()}-{'README'}
    assert not [f for f in files if not any(fnmatch(f, n) for n in said)]
    assert not [n for n in said if n.startswith(('demo_','lsp14_')) and not [f for f in files if fnmatch(f, n)]]

def test_leads_that_the_front_page_counts():
    rows = [r.strip('| ').split(' | ') for r in readme.split('minus nothing kept |')[1].split('\n\n')[0].splitlines()[2:]]
    best,control = ([c[i].startswith('**') for c in rows] for i in (6,7))
    anew = [c[0].endswith('`recipe=anew`') for c in rows]       # a setting that is there already
    assert (len(rows),sum(anew),sum(best)) == (12,1,6) and any(a and b for a,b in zip(anew, best))
    assert 'in five of the eleven settings below, and in a sixth with `recipe=anew`' in flat
    assert sum(b and c for b,c in zip(best, control))==2 and 'In two of the six' in flat

def test_gains_of_who_begins_anew():
    row = gains('lsp14_100_128_baselines', 13, 5, 'begins anew', 'lsp14_100_128_anew')
    assert f'the same with `recipe=anew` {row}' in readme, row

# what is changed -> file, arm, reference, and what else is told
changes = {
    'cameras on unlabelled people':('domain','cameras on unlabelled','neither','camera/above'),
    'limb CutMix (on .3 of the views; real: .5)':('mechanisms','CutMix','spine',''),
    'a gate for whole people too':('gates','both gates','keypoint gate only','kept_accuracy'),
    'no gate at all':('gates','no gate','keypoint gate only','kept_accuracy'),
    'a gate that knows the hidden labels':('gates','oracle gate','keypoint gate only',''),
    'the plain mean of the two beliefs':('fusion','mean','by keypoint',''),
    'agreement of the teachers in gate and fusion':('mechanisms','agreement','spine','kept_accuracy'),
    'style transfer':('domain','style (FDA) on labels','neither',''),
    'structure priors, weights and silence':('mechanisms','structure','spine',''),
    'priors as losses':('priors','priors','no priors',''),
    'one teacher, one view':('teachers','one teacher, one view','two teachers',''),
    'two strong views':('views','M=2','M=1',''),
    'three strong views':('views','M=3','M=1',''),
    'a fixed threshold of .5':('thresholds','fixed .5','as it is',''),
    'calibration on a fifth of the labels':('mechanisms','calibration','spine','kept_accuracy'),
    'masking: four boxes on joints':('recovery','boxes on joints','no masks','recover/covered'),
    'masking: four boxes, hard joints first (AKM)':
        ('recovery','adaptive masking','no masks','recover/covered'),
    'masking: one box, hard joints first':('recovery','adaptive, one box','no masks','recover/covered'),
    'priors, at a loose threshold (against the same without)':
        ('priors','priors, loose','no priors, loose','drift/share'),
    'everything but cameras':('mechanisms','everything','spine','recover/covered')}
# the same change on real people -> file, arm, reference
real = {
    'priors as losses':('priors_no_floor','priors','no priors'),
    'priors, at a loose threshold (against the same without)':('priors','priors, loose','no priors, loose'),
    'a gate that knows the hidden labels':('baselines','oracle gate','without cameras'),
    'cameras on unlabelled people':('camera','with','without'),
    'a fixed threshold of .5':('longtail','fixed .5','dynamic'),
    'style transfer':('domain','both','cameras on unlabelled'),
    'limb CutMix (on .3 of the views; real: .5)':('parts_more','limb CutMix','as it is'),
    'the plain mean of the two beliefs':('fusion','mean','by keypoint'),
    **{n:('parts',a,'as it is') for n,a in {
        'one teacher, one view':'one teacher, one view', 'two strong views':'two views',
        'three strong views':'three views', 'a gate for whole people too':'gate for people too',
        'no gate at all':'no gate',
        'structure priors, weights and silence':'structure',
        'masking: four boxes, hard joints first (AKM)':'adaptive masking'}.items()},
    'everything but cameras':('mechanisms','everything','spine')}
# real people: with the floor under the losses of structure
floor = ('priors, at a loose threshold (against the same without)', 'everything but cameras', 'structure priors, weights and silence')
told = {
    '':                '',
    'drift/share':     'strange answers {}',
    'camera/above':    'seen from above {}',
    'kept_accuracy':   'right among the kept {}',
    'recover/covered': 'covered joints found {}'}

def points(file, arm, ref):
    "What `arm` brings over `ref` in three seeds, and the numbers that say so"
    d = read_results(root/f'results/{file}.json').data
    if file.endswith('_more'): d = pd.concat([d, read_results(root/f"results/{file.removesuffix('_more')}.json").data])
    c = difference(d, arm, ref); assert c.n==3
    return c,d

def change(name):
    study,arm,ref,also = changes[name]; c,d = points(f'demo_{study}', arm, ref)
    lsp = ''
    if name in real:
        f,*who = real[name]; lsp = span(points(f'lsp14_100_128_{f}', *who)[0])
    more = told[also].format(f'{num(by_seed(d, ref, also).mean())} → '
                             f'{num(by_seed(d, arm, also).mean())}') if also else ''
    cells = span(c),lsp+' †'*(name in floor),more
    return c.mean,f"| {name} | {' | '.join(cells)} |"

def test_changes():
    rows = [r for _,r in sorted(map(change, changes), reverse=True)]
    assert ' '.join(' '.join(rows).split()) in page('52_parts'), '\n'+'\n'.join(rows)

def test_what_is_worth_having():
    "The front page's sentences on parts"
    masks = 'masking: four boxes, hard joints first (AKM)'
    seen = [by_seed(d, a, 'camera/above').mean() for d in (read_results(root/f'results/{n}_camera.json').data
            for n in ('demo','lsp14_100_128')) for a in ('without','with')]
    c,d = points('demo_recovery', 'adaptive masking', 'no masks'); e,_ = points('lsp14_100_128_parts', *real[masks][1:])
    boxes,_ = points('demo_recovery', 'boxes on joints', 'no masks')
    found = [num(by_seed(d, a, 'recover/covered').mean()) for a in ('boxes on joints','no masks','adaptive masking')]
    cost = lambda c: f'{num(-c.mean)} [{num(-c.hi)}, {num(-c.lo)}]'
    losses,_ = points('lsp14_100_128_priors_no_floor', 'priors', 'no priors'); everything,_ = points('lsp14_100_128_mechanisms', 'everything', 'spine')
    for said in ('{} → {} on generated people and {} → {} on LSP'.format(*map(num, seen)),
                 f'{found[0]} % of the covered joints are found instead of {found[1]} %, for {cost(boxes)} points on generated people',
                 f'(`hide=akm`) finds {found[2]} %, for {cost(c)} there and {cost(e)} on LSP',
                 f"*priors* as losses ({span(losses)} on LSP)",
                 f'all mechanisms at once cost {cost(everything)} points on LSP'): assert said in flat, said
    brings_nothing = {'one teacher, one view','two strong views','three strong views','a gate for whole people too',
        'a fixed threshold of .5','the plain mean of the two beliefs','agreement of the teachers in gate and fusion','style transfer',
        'limb CutMix (on .3 of the views; real: .5)'}
    for n in brings_nothing:
        c,_ = points(f'demo_{changes[n][0]}', *changes[n][1:3]); assert c.lo<0<c.hi, n
        if n in real: c,_ = points(f'lsp14_100_128_{real[n][0]}', *real[n][1:]); assert c.lo<0<c.hi, n

def test_more_labels():
    d = read_results(root/'results/lsp14_200_128_baselines.json').data
    assert all((c := difference(d, 'method', 'labels only', ref_best=b)).n==3 and c.mean<0 for b in (False,True))
    assert 'with 200 labels at 128x128 there is none' in flat

def test_all_labels():
    d = read_results(root/'results/lsp14_100_128_baselines.json').data
    a = by_seed(d, 'all labels'); assert a.size==3
    said = f'all 700 labels the same network reaches {num(a.mean())}.'
    assert said in flat, said

def test_generated_people_first():
    a,b = (read_results(root/f'results/lsp14_100_128_{n}baselines.json').data for n in ('','people6000_987_'))
    best = [by_seed(d, 'labels only', best=True)[[0,1,2]] for d in (a,b)]
    c = mean_ci(best[1]-best[0]); said = f'the best look of 100 labels by {span(c)[1:]} points'
    assert c.n==3 and said in flat, said

def test_generated_people_to_the_end():
    d,l = (read_results(root/f'results/lsp14_100_128_{n}baselines.json').data for n in ('people6000_extra_846_',''))
    a,ref = by_seed(d, 'labels only'),by_seed(l, 'labels only', best=True)[[0,1,2]]; assert a.size==3
    c,over = mean_ci(a),mean_ci(a-ref)
    said = f'{num(c.mean)} [{num(c.lo)}, {num(c.hi)}] at the last step, {span(over)[1:]} above the best look without'
    assert said in flat, said

def test_student_that_begins_anew():
    n,l,fm = (read_results(root/f'results/lsp14_100_128_{n}.json').data for n in ('anew','baselines','fixmatch'))
    d = pd.concat([n, l]); a = by_seed(d, 'begins anew'); assert a.size==13
    own = mean_ci((a-by_seed(d, 'method')).dropna()); assert own.n==5
    last,best = (mean_ci(a-by_seed(d, 'labels only', best=b)) for b in (False,True))
    fresh = read_results(root/'results/lsp14_100_128_fresh.json').data; f = 'FixMatch with cameras'
    simple = difference(pd.concat([fm, l[l.seed.isin((3,4))], fresh, n]), 'begins anew', f); assert simple.n==9
    lead = (a-by_seed(d, 'labels only', best=True)).dropna(); later = mean_ci(lead[[5,6,7,8,9,10,12,13]])
    none = mean_ci((a-by_seed(d, 'nothing kept')).dropna()); assert none.n==5
    wide = [f'{100*(lead.mean()+s*t.ppf(1-.05/6, len(lead)-1)*lead.std()/len(lead)**.5):.1f}'.lstrip('0') for s in (-1,1)]
    again = difference(pd.concat([n, read_results(root/'results/lsp14_100_128_parts.json').data]), 'begins anew', 'as it is'); assert again.n==3
    for said in (f'at equal compute it gains {span(last)[1:]} points', f'at their best look it is {span(best)[1:]}, beyond', f'the lead is {span(again)[1:]}.',
                 f'half a point to one, {span(own)[1:]} in the mean', f'level with the method, it is {span(simple)[1:]} ahead in nine',
                 f'chosen have {span(later)[1:]}', f'in which nothing is kept it is {span(none)[1:]} (five seeds)',
                 f"for three looks is [{', '.join(wide)}]"): assert said in page('54_anew'), said

def test_three_times_as_long():
    long,short,l = (read_results(root/f'results/lsp14_100_128_{n}.json').data for n in ('lspet_2726_baselines','anew','baselines'))
    a = by_seed(long, 'begins anew'); assert a.size==by_seed(long, 'labels only').size==3
    one,down = mean_ci(a),mean_ci((by_seed(short, 'begins anew')-a).dropna())
    up = mean_ci((a-by_seed(l, 'labels only', best=True)).dropna())
    last,best = (difference(long, 'begins anew', 'labels only', ref_best=b) for b in (False,True))
    for said in (f'ends at {num(one.mean)} [{num(one.lo)}, {num(one.hi)}], {span(down)[1:]} below its own run', f'it is {span(up)[1:]} ahead',
                 f'it is {span(last)[1:]} ahead at the last step', f'and {span(best)[1:]} at their best look'):
        assert said in page('54_anew'), said

def test_four_sweeps():
    "Three times as long on the pool: against labels alone that run as long, and the better of two best looks"
    four,long,l = (read_results(root/f'results/lsp14_100_128_{n}.json').data for n in ('3196_baselines','lspet_2726_baselines','baselines'))
    a = by_seed(four, 'begins anew, four sweeps'); m = mean_ci(a)
    best = pd.concat([by_seed(d, 'labels only', best=True) for d in (long,l)], axis=1).loc[[0,1,2]].max(axis=1)
    last,better = mean_ci(a-by_seed(long, 'labels only')),mean_ci(a-best); assert last.n==better.n==3 and better.lo>0
    assert f'ends {span(last)[1:]} above labels alone that run as long, and {span(better)[1:]} above the better of these' in flat
    said = f'ends at {num(m.mean)} [{num(m.lo)}, {num(m.hi)}], {span(last)[1:]} above labels alone at equal compute'
    assert said in page('54_anew') and f'{span(better)[1:]} above the better of their two best looks' in page('54_anew')

def test_priors_and_their_floor():
    none,low = (difference(read_results(root/f'results/lsp14_100_128_priors{n}.json').data, 'priors', 'no priors') for n in ('_no_floor',''))
    assert none.n==low.n==3
    for said in (f'**Nor there**: {span(none)} points', f"costs**: {span(low)} at the recipe's threshold"): assert said in page('52_parts'), said

def test_left_for_right():
    rows = json.loads((root/'results/lsp14_facing.json').read_text())['rows']
    told,plain = ({r['seed']:r['looks'][-1]['pck'] for r in rows if r['arm']==n} for n in ('told','as they are'))
    c = mean_ci([told[s]-plain[s] for s in (0,1,2)]); said = f'gains {span(c)[1:]} points'
    assert said in flat, said
    wrong = [(1-k['right'],k['other']) for k in (r['labels']['kept'] for r in rows if r['arm']=='as they are')]
    assert .55<sum(o for _,o in wrong)/sum(w for w,_ in wrong)<.65      # three fifths

def test_generated_people_beside_labels():
    d = read_results(root/'results/lsp14_100_128_people6000_extra_846_baselines.json').data
    a = by_seed(d, 'method'); said = f'(one seed). It ended at {num(a.mean())},'
    assert a.size==1 and said in page('51_results'), said
    d = read_results(root/'results/lsp14_100_128_people6000_extra_846_anew.json').data
    c = difference(d, 'begins anew', 'labels only'); said = f'gains nothing**: {span(c)} against the last step'
    assert c.n==3 and said in page('51_results'), said

def test_structure_on_real_people():
    d = read_results(root/'results/lsp14_100_128_parts.json').data
    a,b = (by_seed(d, n, 'drift/share') for n in ('as it is','structure')); assert a.size==b.size==3
    said = f'Structure lowers the share of strange answers from {num(a.mean())} to {num(b.mean())} %'
    assert said in page('52_parts'), said
    ran = [by_seed(read_results(root/f'results/lsp14_100_128_{f}.json').data, n)[[0,1,2]].mean()
           for f,n in (('baselines','method'),('parts','as it is'),('mechanisms','spine'),('fusion','by keypoint'))]
    _,again,without,mean = map(num, ran)
    for said in (f'with cameras ({again}, or {mean} for the plain mean', f'held against the method without cameras, {without}.'):
        assert said in page('52_parts'), said

def test_real_people_on_a_gpu():
    d,more,*others = (read_results(root/f'results/lsp14_{n}_256{m}_baselines.json').data
                      for n,m in ((100,''),(100,'_lspet_1504'),(50,''),(200,'')))
    best,last = (difference(more, 'method', 'labels only', ref_best=b) for b in (True,False))
    oracle = difference(d, 'oracle gate', 'method')
    all_ = mean_ci(pd.concat([by_seed(x, 'method')-by_seed(x, 'labels only', best=True) for x in (d,*others)]))
    assert all_.n==11
    high = pd.concat([by_seed(x, 'labels only', best=True) for x in (d,more)], axis=1).max(axis=1)
    both = mean_ci((by_seed(more, 'method')-high).dropna())
    once = mean_ci(pd.concat([by_seed(x, 'method')-by_seed(x, 'labels only', best=True) for x in (d,*others)]).groupby(level=0).mean())
    real = difference(read_results(root/'results/lsp14_100_128_baselines.json').data, 'oracle gate', 'without cameras')
    small = difference(read_results(root/'results/lsp14_100_96_baselines.json').data, 'method', 'labels only', ref_best=True)
    none = difference(d, 'method', 'nothing kept'); assert once.n==5
    said = f'{span(oracle)[1:]} above the method at 256x256, and {span(real)[1:]} at 128x128'
    assert said in flat, said
    for said in (f'{span(last)[1:]} points above labels alone at equal compute, {span(best)[1:]} above their best look', f'of both its runs the lead is {span(both)[1:]}',
                 f'labels together, are {span(all_)[1:]} above the best look', f'as means of five seeds it is {span(once)[1:]}',
                 f'the method is {span(none)[1:]} ahead'): assert said in page('53_gpu'), said
    assert f'{span(small)} in crops of 96' in page('31_training')

# another way to train -> its arm in the results
methods = {'labels alone':'labels only', '*nothing kept*':'nothing kept', 'one network, joint cutout, no gate':'one network, cutout',
           'MultiAugs':'MultiAugs', 'FixMatch with cameras':'FixMatch with cameras',
           'dual students':'dual students', 'Mean Teacher':'Mean Teacher', 'UDA':'UDA', 'UDA with cameras':'UDA with cameras', 'FixMatch':'FixMatch',
           '**the method**':'method', 'the method, `recipe=anew`':'begins anew', '*a gate that knows the hidden labels*':'oracle gate', '*all labels*':'all labels'}

def test_beside_other_methods():
    sets = [pd.concat([read_results(root/f'results/{n}.json').data for n in ns.split()]) for ns in
            ('demo_baselines demo_anew', 'lsp14_100_128_baselines lsp14_100_128_anew', 'lsp14_100_256_baselines')]
    later,uda = (read_results(root/f'results/lsp14_100_128_{n}.json').data for n in ('fixmatch','uda'))    # each from a common stage 0
    drawn = read_results(root/'results/demo_uda.json').data
    def cell(d, a):
        have = lambda d: v if len(v := by_seed(d, a).reindex([0,1,2]).dropna())==3 else None
        if (v := have(d)) is not None: return num(v.mean())
        for mark,other,to in (('‡',later,1), ('§',uda,1), ('§',drawn,0)):
            if d is sets[to] and (v := have(other)) is not None: return f'{num(v.mean())} {mark}'
        return ''
    for title,a in methods.items():
        row = f'| {title} | '+' | '.join(cell(d, a) for d in sets)+' |'
        assert row in readme, row
    c = difference(later, 'UDA', 'method'); assert c.n==3
    fresh = read_results(root/'results/lsp14_100_128_fresh.json').data
    e = difference(pd.concat([uda, fresh]), 'UDA with cameras', 'method'); assert e.n==9
    f = difference(drawn, 'UDA with cameras', 'method'); assert f.n==9
    assert (f'**UDA** is {span(c)[1:]} above it at 128x128 without cameras (three seeds); with them it is {span(f)[1:]} above it '
            f'on generated people and {span(e)[1:]} at 128x128 (nine seeds each)') in flat
    all_nine = pd.concat([sets[1][~((sets[1].arm=='labels only')&(sets[1].seed>4))], fresh]); a = difference(all_nine, 'begins anew', 'method')
    low = f'{100*a.lo:.1f}'.replace('0.', '.')       # -.0
    assert a.n==9 and f'is {num(a.mean)} [{low}, {num(a.hi)}] above the method (nine)' in flat
    assert f"over nine it has {num(by_seed(all_nine, 'method').mean())}" in flat
    was = [num(by_seed(d, 'method')[[0,1,2]].mean()) for d in (later,drawn,uda)]
    assert f'where the method has {was[0]}; § likewise on another machine, where it has {was[1]} and {was[2]}.' in flat

def test_fixmatch_with_cameras():
    d,l,g = (read_results(root/f'results/{n}.json').data for n in ('demo_baselines','lsp14_100_128_baselines','lsp14_100_256_baselines'))
    fm,parts = (read_results(root/f'results/lsp14_100_128_{n}.json').data for n in ('fixmatch','parts'))
    nine = pd.concat([fm, l[l.seed.isin((3,4))], read_results(root/'results/lsp14_100_128_fresh.json').data])
    f,m = 'FixMatch with cameras','method'
    c,e = difference(nine, m, f),difference(d, f, m); own,low = difference(g, m, f),difference(d, m, 'FixMatch')
    assert (c.n,e.n,own.n,low.n)==(9,9,3,3)
    uda = read_results(root/'results/lsp14_100_128_uda.json').data
    runs = [num(by_seed(d, a)[[0,1,2]].mean()) for d,a in ((l,m),(parts,'as it is'),(uda,m),(fm,m))]
    assert low.lo<0<low.mean and f'with them it is {num(low.mean)} above (on the three seeds' in page('51_results')
    for said in (f'{span(e)[1:]} above it on generated people', f"level with it at 128x128 (nine seeds, {span(c).lstrip('+-')})",
                 f'{span(own)[1:]} below it at 256x256'): assert said in flat, said
    said = f"in seeds 0 to 2, the method ends at {', '.join(runs[:3])} and {runs[3]} on average"
    assert said in page('51_results'), said

def test_the_method_as_written():
    w = read_results(root/'results/lsp14_100_128_written.json').data; a,b = 'as written','recipe rounds'
    assert f'{span(difference(w, a, b))} in the mean' in flat and (by_seed(w, a)<by_seed(w, b)).all()
    start = w[(w.metric=='pck')&(w.step==470)&(w.arm==a)].set_index('seed').value
    assert len(start)==3 and (by_seed(w, a)<start).all()

def test_boxes():
    text = page('45_boxes')
    d = pd.read_csv(root/'results/two_stage.csv'); F = d[d.metric=='F'].groupby('arm').value.mean()
    d = d[d.metric=='pck'].pivot(index='seed', columns='arm', values='value')
    for arm in ('cleaned boxes','true boxes'):
        c = mean_ci(d[arm]-d['noisy boxes']); assert c.n==3 and span(c)[1:] in text, span(c)
    assert f"at {100-100*F['cleaned boxes']/F['noisy boxes']:.0f} % fewer passes" in text
    coco,gen = (100*pd.read_csv(root/f'results/boxes_{n}.csv').groupby(['way','metric']).value.mean().unstack() for n in ('coco','generated'))
    best,plain = 'scored, new boxes, suppressed by both','suppressed by overlap'
    assert f"from {gen.AP[plain]:.1f} after an ordinary suppression to {gen.AP[best]:.1f}" in text
    assert f"are dropped {coco.right_unsure['all of it']:.0f} % of the joints are right, in those that stay {coco.right_sure['all of it']:.0f} %" in text
    by = {b:coco.double[f'scored, new boxes, suppressed by {b}'] for b in ('oks','overlap','both')}
    assert [round(v) for v in by.values()]==[17,6,13] and '17 doubles for a hundred people, overlap of the new boxes six, their mean thirteen' in text
    assert coco.AP[best]-coco.AP['scored']>5 and coco.people['all of it']<80 and coco.nobody['all of it']<100/6.5
