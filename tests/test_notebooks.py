"""Every notebook runs: its examples are tests.
`pytest -m slow` runs the ones with cells marked `#| slow`, those too"""
import ast,builtins,json,re,symtable
from importlib import import_module
from pathlib import Path
import matplotlib,pytest
matplotlib.use('agg')
from matplotlib import pyplot as plt
from nbdev.config import get_config
from nbdev.test import test_nb as run_nb

root = Path(__file__).resolve().parent.parent
skip = get_config(root).tst_flags.split()
nbs = sorted(p for p in (root/'nbs').rglob('*.ipynb')
             if not any(o[0] in '._' for o in p.relative_to(root).parts))
slow = [p for p in nbs if re.search(r'^\s*"#\|\s*slow', p.read_text(encoding='utf-8'), re.M)]
name = lambda p: p.relative_to(root/'nbs').as_posix()

def force():
    "Flags whose cells run after all: `cuda` where there is a GPU"
    import torch
    return ['cuda'] if torch.cuda.is_available() else []

def run(nb, flags=()):
    with plt.rc_context(): ok,_ = run_nb(nb, skip_flags=skip, force_flags=[*force(), *flags], basepath=root)
    plt.close('all')
    assert ok, f'{name(nb)} stopped; its traceback is in the captured output'

@pytest.mark.parametrize('nb', nbs, ids=name)
def test_notebook(nb): run(nb)

@pytest.mark.slow
@pytest.mark.parametrize('nb', slow, ids=name)
def test_notebook_slow(nb): run(nb, ['slow'])

def names(src):
    "Names a cell defines for the cells after it, names it takes from others, and whether it imports"
    src = re.sub(r'^\s*[%!].*$', '', src, flags=re.M)
    imports = [o for o in ast.walk(ast.parse(src)) if isinstance(o, (ast.Import, ast.ImportFrom))]
    def scopes(t): return [t, *(s for c in t.get_children() for s in scopes(c))]
    top,*inner = scopes(symtable.symtable(src, 'cell', 'exec'))
    bound = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported()}
    read = {s.get_name() for s in top.get_symbols() if s.is_referenced()}
    read |= {s.get_name() for t in inner for s in t.get_symbols() if s.is_global()}
    for o in imports:
        if o.names[0].name=='*': bound |= set(dir(import_module(o.module)))
    return bound, read-bound, bool(imports)

def test_names_of_a_cell():
    "What a function or a lambda binds inside is not there for the next cell"
    bound,read,imports = names('import os\ndef f(a):\n    with open(a) as tmp: return tmp, b\ng = lambda x: x+c')
    assert (bound, read, imports)==({'os','f','g'}, {'open','b','c'}, True)

@pytest.mark.parametrize('nb', nbs, ids=name)
def test_site_can_run_imports(nb):
    """Building the site runs the exported cells and the cells that import, and no others:
    these must suffice for each other"""
    have,bad = {*dir(builtins), 'show_doc'},{}
    for i,c in enumerate(json.loads(nb.read_text(encoding='utf-8'))['cells']):
        src = ''.join(c['source'])
        if c['cell_type']!='code' or re.search(r'^#\|\s*eval:\s*false', src, re.M): continue
        bound,read,imports = names(src)
        exported = re.search(r'^#\|\s*export', src, re.M)
        if not (exported or imports): continue
        if not exported and (read-have): bad[i] = read-have
        have |= bound
    assert not bad, f'give the imports of these cells a cell of their own: {bad}'

@pytest.mark.parametrize('nb', nbs, ids=name)
def test_site_shows_every_picture(nb):
    "The site leaves out hidden cells with what they drew"
    cells = json.loads(nb.read_text(encoding='utf-8'))['cells']
    drawn = lambda c: any(k.startswith('image/') for o in c.get('outputs',[]) for k in o.get('data',{}))
    hidden = [''.join(c['source']) for c in cells
              if drawn(c) and re.search(r'^#\|\s*hide\s*$', ''.join(c['source']), re.M)]
    assert not hidden, f'{name(nb)}: drawn and hidden:\n{hidden[0]}'
