"""Write README.md from `nbs/index.ipynb`: `python tools/readme.py`

GitHub shows no embedded pictures, so each goes to `README_files/` and is linked relatively; `setup.py`
makes the links whole for package indexes. Links to notebooks lead to `nbs/`, and cell directives count as
on the site."""
import base64,json,re,shutil
from pathlib import Path

root = Path(__file__).resolve().parent.parent
files = root/'README_files'
pics = {'image/svg+xml':'svg', 'image/png':'png', 'image/jpeg':'jpg', 'image/gif':'gif'}

def text(s): return s if isinstance(s,str) else ''.join(s)

def directives(src):
    "The `#|` directives at the top of the cell `src` as a dict, and the rest"
    lines,opts = src.split('\n'),{}
    while lines and (m:=re.match(r'#\|\s*([\w-]+)\s*:?\s*(.*)', lines[0])):
        opts[m[1]],lines = m[2].strip(),lines[1:]
    return opts,'\n'.join(lines).strip()

def relink(md):
    """Point relative links and pictures of `md`, read in the notebooks' folder, there from the top;
    code stays as it is"""
    parts = re.split(r'(^```.*?^```|`[^`\n]+`)', md, flags=re.S|re.M)
    return ''.join(p if i%2 else re.sub(r'(\]\(|src=")(?!\w+:|#|/)(?:\./)?', r'\1nbs/', p)
                   for i,p in enumerate(parts))

def save(name, data, alt=''):
    "Store one picture; returns the Markdown that shows it"
    files.mkdir(exist_ok=True)
    (files/name).write_bytes(data)
    return f'![{alt}]({files.name}/{name})'

def output(o, name, alt=''):
    "Markdown for one stored output: picture, Markdown, table, or indented text"
    d = o.get('data', {})
    for mime,ext in pics.items():
        if mime in d:
            t = text(d[mime])
            return save(f'{name}.{ext}', t.encode() if ext=='svg' else base64.b64decode(t), alt)
    if 'text/markdown' in d: return relink(text(d['text/markdown']))
    if 'text/html' in d:
        return re.sub(r'\n\s*(?=\n)', '',
                      re.sub(r'<style.*?</style>', '', text(d['text/html']), flags=re.S)).strip()
    t = text(o.get('text') or d.get('text/plain') or '').rstrip()
    return '\n'.join('    '+l for l in t.splitlines())

def markdown(c, i):
    "A Markdown cell; pictures pasted into it are stored too"
    md = relink(directives(text(c['source']))[1])
    for nm,bundle in c.get('attachments', {}).items():
        mime,data = next(iter(bundle.items()))
        fn = f'cell-{i}-{Path(nm).stem}.{pics[mime]}'
        save(fn, base64.b64decode(text(data)))
        md = md.replace(f'attachment:{nm}', f'{files.name}/{fn}')
    return [re.sub(r'\A(# .+\n+)> ', r'\1', md)]  # the summary below the title is no quotation here

def code(c, i):
    "A code cell and its outputs, unless directives hide them"
    opts,src = directives(text(c['source']))
    if 'hide' in opts or opts.get('include')=='false': return []
    res = []
    if src and opts.get('echo')!='false' and 'hide_input' not in opts: res.append(f'```python\n{src}\n```')
    if opts.get('output')=='false' or 'hide_output' in opts: return res
    alt = opts.get('fig-alt', opts.get('fig-cap', '')).strip('"\'')
    return res + [output(o, f'cell-{i}-output-{j}', alt) for j,o in enumerate(c['outputs'])]

def readme(nb):
    "The whole README for the notebook dict `nb`"
    kinds = dict(markdown=markdown, code=code)
    parts = [p for i,c in enumerate(nb['cells']) if c['cell_type'] in kinds
             for p in kinds[c['cell_type']](c, i)]
    return '\n\n'.join(p for p in parts if p)+'\n'

if __name__=='__main__':
    shutil.rmtree(files, ignore_errors=True)
    (root/'README.md').write_text(
        readme(json.loads((root/'nbs'/'index.ipynb').read_text(encoding='utf-8'))), encoding='utf-8')
