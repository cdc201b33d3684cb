"""What the studies of this folder share: arms and seeds, runs that continue, one report.

A study names a base configuration for each seed; an arm is `labels`, `semi`, `oracle` or `all`, with settings behind
it: `labels sigma=1.5`. Every run is a folder below --runs: finished ones are not run again, killed ones continue, and
several processes may share a study with different --seeds or --arms. After each run RESULTS/NAME.csv (arm, seed, step,
metric, value) and RESULTS/NAME.json (means and 95 % intervals over the seeds, paired differences to `labels`) are
written anew from all finished runs.

`labels` sees labels only, in batches so large that the run costs as many forward passes as `semi`; `semi` is the
method; `oracle` keeps exactly the pseudo-labels that hidden labels prove right; `all` has every label. `labels` is
also reported stopped at its best validation score, which favours it."""
import argparse, datetime, json, platform
from dataclasses import replace
from pathlib import Path
import sagepose
from sagepose.config import labels_only, override
from sagepose.metrics import mean_ci, paired_ci
from sagepose.runs import read_csv, train, write_csv

metrics = ('pck','coverage','accuracy','kept_accuracy','dropped_accuracy')

def arm(cfg, spec):
    "`cfg` changed to the arm `spec`"
    name,*kv = spec.split()
    cfg = override(cfg, 'arm', **dict(o.split('=',1) for o in kv))
    if name=='oracle': return override(cfg, gate='oracle')
    if name in ('labels','all'): cfg = labels_only(cfg)
    if name=='all': cfg = override(cfg, labelled_ids='')
    if name not in ('labels','semi','oracle','all'): raise SystemExit(f'no arm {name!r}: labels, semi, oracle, all')
    return cfg

def folder(runs, spec, seed): return Path(runs)/f"{','.join(spec.split())}@{seed}"
def named(folder): return folder.name.rsplit('@',1)[0].replace(',', ' '),folder.name.rsplit('@',1)[1]

def ci(c): return [round(100*v,2) for v in (c.mean,c.lo,c.hi)] if c.n>1 else [round(100*c.mean,2)]

def report(a, command):
    "Write the results of all finished runs"
    rows,last = [],{}
    for f in sorted(Path(a.runs).glob('*@*/metrics.json')):
        name,seed = named(f.parent); m = json.loads(f.read_text())
        last.setdefault(name,{})[int(seed)] = dict(last=m['pck'], best=m['best']['pck'], F=m['compute']['F'])
        rows += [dict(arm=name, seed=seed, step=int(r['step']), metric=k, value=round(r[k],5))
                 for r in read_csv(f.parent/'log.csv') for k in metrics if r.get(k) is not None]
    out = dict(command=command, version=sagepose.__version__, device=platform.machine(), date=str(datetime.date.today()), arms={})
    for n,s in last.items():
        v = lambda k,of=s: [of[i][k] for i in sorted(of)]
        out['arms'][n] = d = dict(seeds=sorted(s), last=ci(mean_ci(v('last'))), best=ci(mean_ci(v('best'))), forward_passes=v('F')[0])
        ref = last.get('labels',{}); both = sorted(set(ref)&set(s))
        if n=='labels' or not both: continue
        for k in ('last','best'): d[f'minus_labels_{k}'] = ci(paired_ci([s[i]['last'] for i in both], [ref[i][k] for i in both]))
    res = Path(a.results); res.mkdir(exist_ok=True)
    write_csv(res/f'{a.name}.csv', rows); (res/f'{a.name}.json').write_text(json.dumps(out, indent=1)+'\n')
    return out['arms']

def parser(doc, name, **kw):
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--arms', default='semi,labels', help='comma between arms, blanks before settings'); p.add_argument('--seeds', default='0,1,2')
    p.add_argument('--name', default=name); p.add_argument('--runs', default=f'runs/{name}'); p.add_argument('--results', default='results')
    p.add_argument('--device', default='')
    for n,v in kw.items(): p.add_argument(f'--{n}', type=type(v), default=v)
    return p

def main(a, base, command):
    "Run all arms of the study; `base(a, seed)` is the configuration that they change"
    for s in a.seeds.split(','):
        for spec in a.arms.split(','):
            c = arm(base(a, int(s)), spec); out = folder(a.runs, spec, s)
            if not (out/'metrics.json').exists(): train(replace(c, out=str(out)), resume=(out/'checkpoint').exists())
            print(json.dumps(report(a, command), indent=1), flush=True)
