"A step must not make the CPU wait for the GPU: nothing is copied there in a way that waits. No GPU is needed"
import json, os, subprocess, sys
from pathlib import Path
import pytest

script = Path(__file__).with_name('waiting.py')
easy = 'maps,views,joint cutout,random cutout,limb cutout,akm,looks,judge,judge with all'.split(',')
kinds = 'barrel,cushion,fisheye,tilt,above,wide,sheet'.split(',')
steps = ['step','step every mechanism','step cross-entropy']

@pytest.fixture(scope='module')
def counted():
    env = dict(os.environ, OMP_NUM_THREADS='1')
    r = subprocess.run([sys.executable, script], capture_output=True, text=True, env=env, cwd=script.parents[1])
    assert r.returncode==0, r.stderr[-3000:]
    return json.loads(r.stdout.splitlines()[-1])

def test_the_count_can_fail(counted):
    assert [sum(counted[n].values()) for n in ('a copy that waits','one that does not','a read')]==[1,0,1]

@pytest.mark.parametrize('name', easy+[f'camera {k}' for k in kinds]+steps)
def test_nothing_waits(counted, name): assert counted[name]=={}
