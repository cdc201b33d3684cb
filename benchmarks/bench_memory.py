"""How much faster a run on the CPU is when glibc keeps its memory (`keep_memory`), and what that costs.

    python benchmarks/bench_memory.py [pairs] [steps]

The same small semi-supervised run in fresh processes, without and with, as many of them side by side as
there are cores, alternately; a thread each. Prints the ratio of the durations, page faults, and memory at
its peak."""
import json, os, resource, subprocess, sys, tempfile, time
from pathlib import Path

def one(root, keep, steps):
    "A run in this process; what it took"
    import torch, warnings; warnings.filterwarnings('ignore'); torch.set_num_threads(1)
    from sagepose import training
    from sagepose.cli import demo_config
    from sagepose.config import PoseConfig, override
    if not keep: training.keep_memory = lambda: False
    files = {n:Path(root)/f'{n}.json' for n in ('labelled','unlabelled','val')}
    cfg = override(PoseConfig(), **files, **dict(demo_config()[1], steps=steps, epoch_steps=steps))
    learn = training.PoseTask(cfg).learner(); t = time.perf_counter()
    with learn.no_bar(),learn.no_logging(): training.fit(learn)
    r = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps([time.perf_counter()-t, r.ru_minflt/1e6, r.ru_maxrss/1024]))

def together(root, keep, steps):
    "Means over runs side by side"
    ps = [subprocess.Popen([sys.executable, __file__, root, str(keep), str(steps)],
                           stdout=subprocess.PIPE, text=True) for _ in os.sched_getaffinity(0)]
    outs = [json.loads(p.communicate()[0].splitlines()[-1]) for p in ps]
    return [sum(o)/len(o) for o in zip(*outs)]

if __name__=='__main__':
    if len(sys.argv)==4: sys.exit(one(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
    pairs,steps = (int(a) for a in (sys.argv[1:]+['3','60'][len(sys.argv)-1:]))
    from sagepose.cli import demo_config
    from sagepose.people import write_people
    with tempfile.TemporaryDirectory() as d:
        root = str(write_people(Path(d)/'people', **dict(demo_config()[0], unlabelled=400)))
        for i in range(pairs):
            (t0,f0,m0),(t1,f1,m1) = (together(root, k, steps) for k in (0,1))
            print(f'{steps} steps: {t0:.1f} s without, {t1:.1f} s with, ratio {t1/t0:.2f}; million page faults '
                  f'{f0:.1f}, {f1:.1f}; memory at its peak {m0:.0f}, {m1:.0f} MB', flush=True)
