"""Build the site into `_docs` and check every link in it: `python tools/docs.py`

nbdev turns the notebooks into pages (signatures, links from `code` to its documentation), Quarto renders
them as `_quarto.yml` says, or smalldocs where Quarto is not installed. Stored outputs are shown, nothing
is run. Formulas become MathML, so that a page needs nothing from the network. Warnings and broken links
end it with status 1."""
import json,os,re,shutil,subprocess,sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote,urlsplit
from latex2mathml.converter import convert
from nbdev.config import get_config
from nbdev.serve import proc_nbs

def plain_names(proc):
    """Give each processed notebook the page name of its `output-file`,
    and follow it in `_quarto.yml` and in links"""
    nbs,names = {},{}
    for p in sorted(proc.rglob('*.ipynb')):
        nbs[p] = json.loads(p.read_text(encoding='utf-8'))
        m = re.search(r'^output-file: (\S+)\.html$', ''.join(nbs[p]['cells'][0]['source']), re.M)
        names[p.relative_to(proc).as_posix()] = (
            p.with_name(m[1]+'.ipynb' if m else p.name).relative_to(proc).as_posix())
    if len(set(names.values()))<len(names): sys.exit(f'two notebooks make one page: {names}')
    yml = proc/'_quarto.yml'
    yml.write_text(re.sub(r'[\w./-]+\.ipynb', lambda m: names.get(m[0], m[0]),
                          yml.read_text(encoding='utf-8')), encoding='utf-8')
    last = {Path(o).name: Path(n).name for o,n in names.items()}
    for p,nb in nbs.items():
        for i,c in enumerate(nb['cells']):
            if i==0: c['source'] = re.sub(r'^output-file: .*\n', '', ''.join(c['source']), flags=re.M)
            if c['cell_type']=='code': continue
            c['source'] = re.sub(r'(\]\((?!\w+:)[^)\s]*?)([\w.-]+\.ipynb)',
                                 lambda m: m[1]+last.get(m[2], m[2]), ''.join(c['source']))
        p.unlink()
    for (old,new),nb in zip(names.items(), nbs.values()):
        (proc/new).write_text(json.dumps(nb, indent=1), encoding='utf-8')

def relative_links(site, url):
    "Links to the documentation point at the published site; make them work where it is read from disk"
    for p in site.rglob('*.html'):
        up = '../'*(len(p.relative_to(site).parts)-1) or './'
        p.write_text(p.read_text(encoding='utf-8').replace(f'href="{url}/', f'href="{up}'), encoding='utf-8')

def mathml(html):
    """`html` with its TeX as MathML, without the scripts that would fetch a renderer,
    and types without `__main__`"""
    one = lambda m: (f'<span class="math {m[1]}">'
                     f'{convert(unescape(m[2]).strip()[2:-2].strip(), display=how[m[1]])}</span>')
    how = dict(inline='inline', display='block')
    html = re.sub(r'<span class="math (inline|display)">(.*?)</span>', one, html, flags=re.S)
    html = re.sub(r'\n?\s*<(script|link)\b[^>]*katex[^>]*>(</script>)?', '', html)
    return re.sub(r'__main__(<span class="op">\.</span>|\.)', '', html)

def elsewhere(site):
    "Scripts, styles and pictures that a page would fetch from another server"
    tag = re.compile(r'<(?:script|img|iframe)[^>]+src="(?:https?:)?//[^"]*"|'
                     r'<link(?![^>]*rel="(?:canonical|alternate))[^>]+href="(?:https?:)?//[^"]*"')
    for p in sorted(site.rglob('*.html')):
        for m in tag.finditer(p.read_text(encoding='utf-8')): yield p.relative_to(site),m[0]

class Page(HTMLParser):
    "The `ids` a page defines and the `links` it makes"
    def __init__(self, html):
        super().__init__()
        self.ids,self.links = set(),set()
        self.feed(html)
    def handle_starttag(self, tag, attrs):
        d = dict(attrs)
        self.ids |= {d[k] for k in ('id','name') if d.get(k)}
        self.links |= {d[k] for k in ('href','src') if d.get(k)} if tag!='base' else set()

def broken(site):
    "Each link inside `site` that leads to no file or to no id of its page, as (page, link)"
    pages = {p.resolve(): Page(p.read_text(encoding='utf-8')) for p in site.rglob('*.html')}
    for p,page in sorted(pages.items()):
        for link in sorted(page.links):
            u = urlsplit(link)
            if u.scheme or u.netloc: continue
            t = (p.parent/unquote(u.path)).resolve() if u.path else p
            if t.is_dir(): t = t/'index.html'
            frag = unquote(u.fragment)
            if not t.exists() or frag and t in pages and frag not in pages[t].ids:
                yield p.relative_to(site.resolve()),link

if __name__=='__main__':
    # helper cells that import and do one thing more
    os.environ['PYTHONWARNINGS'] = 'ignore::UserWarning:nbdev.processors'
    cfg = get_config()
    proc,out = proc_nbs(force=True),cfg.config_path/cfg.doc_path.name
    plain_names(proc)
    render = (['quarto','render',proc,'--no-execute'] if shutil.which('quarto') else
              ['smalldocs','render','-q','--strict',proc])
    rc = subprocess.call(render)
    if not (proc/out.name).exists(): sys.exit(rc or 1)
    shutil.rmtree(out, ignore_errors=True); shutil.move(proc/out.name, out)
    relative_links(out, cfg.doc_host+cfg.doc_baseurl.rstrip('/'))
    for p in out.rglob('*.html'): p.write_text(mathml(p.read_text(encoding='utf-8')), encoding='utf-8')
    bad = [(p,f'broken link {l}') for p,l in broken(out)]+[(p,f'fetches {l}') for p,l in elsewhere(out)]
    for p,l in bad: print(f'{p}: {l}', file=sys.stderr)
    print(f'{len(list(out.rglob("*.html")))} pages in {out.name}, {len(bad)} broken links')
    sys.exit(1 if rc or bad else 0)
