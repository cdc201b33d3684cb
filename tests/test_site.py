"""The built site in a real browser: search, source links, theme, phone width, formulas without a network;
and the addresses in messages"""
import functools,http.server,json,re,shutil,socket,subprocess,threading,time,urllib.error,urllib.request
from pathlib import Path
import pytest

root = Path(__file__).resolve().parent.parent
site = root/'_docs'
chrome = next(filter(None, map(shutil.which, ('chromium','chromium-browser','google-chrome'))), None)

class Browser:
    "Headless Chromium through its driver, which speaks WebDriver; it can reach this machine and nothing else"
    def __init__(self):
        s = socket.socket(); s.bind(('127.0.0.1',0)); port = s.getsockname()[1]; s.close()
        self.driver = subprocess.Popen(['chromedriver',f'--port={port}'],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.url = f'http://127.0.0.1:{port}'
        self.until(lambda: self('GET','/status')['ready'], 20)
        args = ['--headless=new','--no-sandbox','--disable-gpu','--disable-dev-shm-usage',
                '--window-size=1300,900','--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1']
        opts = {'browserName':'chrome', 'goog:chromeOptions':dict(args=args, binary=chrome)}
        self.url += '/session/'+self('POST','/session',dict(capabilities=dict(alwaysMatch=opts)))['sessionId']

    def __call__(self, how, path, data=None):
        body = None if data is None else json.dumps(data).encode()
        req = urllib.request.Request(self.url+path, body, {'Content-Type':'application/json'}, method=how)
        with urllib.request.urlopen(req, timeout=60) as f: return json.load(f)['value']

    def until(self, f, seconds=10):
        "The first true value of `f()`"
        end,why = time.time()+seconds,None
        while time.time()<end:
            try:
                if r := f(): return r
            except (OSError,urllib.error.HTTPError) as e: why = e
            time.sleep(.1)
        raise TimeoutError(f'not within {seconds} s: {why}')

    def go(self, url): self('POST','/url',dict(url=url))
    def js(self, code, *args): return self('POST','/execute/sync',dict(script=code, args=list(args)))
    def find(self, css):
        return next(iter(self('POST','/element',{'using':'css selector','value':css}).values()))
    def click(self, css): self('POST',f'/element/{self.find(css)}/click',{})
    def type(self, css, text): self('POST',f'/element/{self.find(css)}/value',dict(text=text))
    def width(self, w, h=844):
        self('POST','/goog/cdp/execute',
             dict(cmd='Emulation.setDeviceMetricsOverride',
                  params=dict(width=w,height=h,deviceScaleFactor=1,mobile=w<600)))
    def close(self):
        try: self('DELETE','')
        finally: self.driver.terminate(); self.driver.wait()

@pytest.fixture(scope='module')
def web():
    "A browser and the address of the site"
    if not (site/'index.html').exists(): pytest.skip('the site is not built: python tools/docs.py')
    if not chrome or not shutil.which('chromedriver'):
        pytest.skip('Chromium or its driver is not installed: apt install chromium chromium-driver')
    quiet = type('Quiet', (http.server.SimpleHTTPRequestHandler,), dict(log_message=lambda *a: None))
    srv = http.server.ThreadingHTTPServer(('127.0.0.1',0), functools.partial(quiet, directory=str(site)))
    threading.Thread(target=srv.serve_forever, daemon=True).start()
    b = Browser()
    yield b,f'http://127.0.0.1:{srv.server_port}/'
    b.close(); srv.shutdown()

def test_search_leads_to_the_source(web):
    "Search for a function, go to its page, and from there to the line of its source"
    b,url = web; b.width(1300,900); b.go(url+'index.html')
    b.type('.smalldocs-search input', 'show_belief')
    hits = b.until(lambda: b.js("return [...document.querySelectorAll('.search-result')]"
                                ".map(a=>[a.getAttribute('href'),a.textContent])"))
    href = next((h for h,_ in hits if h.endswith('inspect.html#show_belief')), None)
    assert href, f'no hit leads to the function: {[h for h,_ in hits]}'
    b.click(f'.search-result[href="{href}"]')
    b.until(lambda: b.js("return location.href").endswith('#show_belief'))
    src = b.until(lambda: b.js("""const h = document.getElementById('show_belief');
        return [...document.querySelectorAll('a[href*="/sagepose/inspect.py#L"]')].map(a => a.href)
            .concat([h ? h.textContent : ''])"""))
    assert 'show_belief' in src[-1]
    lines = (root/'sagepose/inspect.py').read_text(encoding='utf-8').splitlines()
    at = [lines[int(m[1])-1] for s in src[:-1] if (m:=re.search(r'#L(\d+)$', s))]
    assert any(l.startswith('def show_belief') for l in at), f'the source links lead to {at}'

def test_theme_switches_and_stays(web):
    b,url = web; b.width(1300,900); b.go(url+'index.html')
    colour = lambda: b.js("return getComputedStyle(document.body).backgroundColor")
    old = colour(); b.click('.quarto-color-scheme-toggle')
    new = b.until(lambda: (c:=colour())!=old and c)
    b.go(url+'fusion.html'); assert b.until(lambda: colour()==new)
    b.click('.quarto-color-scheme-toggle'); assert b.until(lambda: colour()==old)

def test_every_page_on_a_phone(web):
    "No page is wider than the screen, no picture is missing, no script fails for lack of a network"
    b,url = web; b.width(390); bad = {}
    for p in sorted(site.rglob('*.html')):
        b.go(url+p.relative_to(site).as_posix())
        r = b.js("""const W = document.documentElement.clientWidth;
            return {wider: document.documentElement.scrollWidth-W, """
                 """broken: [...document.images].filter(i => !i.naturalWidth).map(i => i.src.slice(0,80)),
                    tex: [...document.querySelectorAll('.math')].filter(m => !m.querySelector('math')).length,
                    flat: [...document.querySelectorAll('math')]"""
                       """.filter(m => !m.getBoundingClientRect().width).length}""")
        if any(r.values()): bad[p.name] = r
    assert not bad

def test_navigation_on_a_phone(web):
    "The menu of pages opens and leads somewhere"
    b,url = web; b.width(390); b.go(url+'index.html')
    left = lambda: b.js("return document.querySelector('#quarto-sidebar').getBoundingClientRect().left")
    assert left()<0
    b.click('.quarto-btn-toggle'); assert b.until(lambda: left()>=0)
    link = b.until(lambda: b.js("return [...document.querySelectorAll('#quarto-sidebar a.sidebar-link')]"
                                ".map(a=>a.getAttribute('href')).find(h=>h && h.includes('tour'))"))
    b.js("document.querySelector(`#quarto-sidebar a[href='${arguments[0]}']`).click()", link)
    assert b.until(lambda: 'tour' in b.js("return location.href"))

def test_messages_lead_to_answers():
    "Each question that a message names is a heading of the page of questions"
    have = set(re.findall(r'\{#([\w-]+)\}', (root/'nbs/faq.ipynb').read_text(encoding='utf-8')))
    used = {(p.name,t) for p in (root/'sagepose').glob('*.py')
            for t in re.findall(r"faq\('([\w-]+)'\)", p.read_text(encoding='utf-8'))}
    assert used and not {(f,t) for f,t in used if t not in have}
