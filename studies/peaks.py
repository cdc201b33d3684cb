"""Does a peak mean the same for everybody? The last pseudo-labels of a run, peak by peak:
people of the pool, and the others.

    python studies/peaks.py RUN [--name lspet_peaks]

RUN is a finished run of lsp14.py with --lspet 1: its unlabelled people are the rest of the pool, whose
hidden labels are good, and those of LSP-extended, whose labels are a crowd's. Writes results/NAME.json:
how many keypoints have a peak in each tenth, how many of those are right, what the gates keep, and what is
wrong with it."""
import argparse, json
from dataclasses import replace
from datetime import date
from pathlib import Path
import torch, fastai.basics
from ceiling import last_labels
from sagepose.config import count_people
from sagepose.metrics import *
from sagepose.runs import versions

edges = torch.linspace(0, 1, 11)

def by_peak(p, right, kept, kinds):
    "Shares and accuracy of keypoints (n,k) with a label"
    some = ~right.isnan(); p,y,kept = p[some],right[some],kept[some]
    at = torch.bucketize(p, edges[1:-1], right=True)
    n = torch.bincount(at, minlength=10); right_in = torch.bincount(at, weights=y, minlength=10)/n
    show = lambda v: [None if x!=x else round(x, 4) for x in v.tolist()]
    return dict(people=len(right), share=show(n/n.sum()), right=show(right_in),
                all=round(y.mean().item(), 4), coverage=round(kept.float().mean().item(), 4),
                kept=round(y[kept].mean().item(), 4), kinds=show(error_shares(kinds)))

if __name__=='__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('run')
    p.add_argument('--name', default='lspet_peaks'); p.add_argument('--results', default='results')
    a = p.parse_args(); run = Path(a.run); cfg,sk,d,truth = last_labels(run)
    right,kinds = is_correct(d['kpts'], *truth),error_kinds(d['kpts'], *truth, sk)
    pool = count_people(replace(cfg, unlabelled='', reference=''))[1]       # they come first
    rows = {n:by_peak(d['p'][w], right[w], d['w'][w]>0, kinds[w])
            for n,w in dict(pool=slice(pool), others=slice(pool, None)).items()}
    out = dict(command=f'python studies/peaks.py runs/{run.parent.name}/{run.name}',
               version=versions()['sagepose'], device='cpu', date=str(date.today()),
               edges=[round(e, 1) for e in edges.tolist()], kinds=error_names, rows=rows)
    (Path(a.results)/f'{a.name}.json').write_text(json.dumps(out, indent=1)+'\n')
    print(json.dumps(rows, indent=1))
