"Make the pictures stored in notebooks small: 256 colours and no more pixels than a page shows"
import base64,io,json,sys
from pathlib import Path
from PIL import Image

def shrink(png, width=900, most=40_000):
    """The PNG `png` in 256 colours and `width` columns, down to 64 and 640 to keep to `most` bytes;
    `png` itself if that is smaller"""
    im = Image.open(io.BytesIO(base64.b64decode(png))).convert('RGB')
    for f,n in ((1,256), (.85,256), (.7,256), (.7,64)):
        w = min(im.width, max(round(width*f), 640))
        m = im if w==im.width else im.resize((w, round(im.height*w/im.width)), Image.LANCZOS)
        out = io.BytesIO()
        how = Image.MEDIANCUT if n==256 else Image.FASTOCTREE    # which keeps rare colours when there are few
        m.quantize(n, how, dither=Image.Dither.NONE).save(out, 'PNG', optimize=True)
        if out.tell()<=most: break
    new = base64.b64encode(out.getvalue()).decode()
    return new if len(new)<.9*len(png) else png

if __name__=='__main__':
    for f in sys.argv[1:] or sorted(str(p) for p in Path('nbs').rglob('*.ipynb')):
        nb = json.loads(Path(f).read_text())
        for o in (o for c in nb['cells'] for o in c.get('outputs',[])):
            d = o.get('data',{})
            if 'image/png' in d: d.pop('image/jpeg', None)      # the same picture once more
            if len(d.get('image/png',''))>20_000: d['image/png'] = shrink(d['image/png'].replace('\n',''))
        Path(f).write_text(json.dumps(nb, indent=1, ensure_ascii=False, sort_keys=True)+'\n')
