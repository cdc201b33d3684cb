"""100 real labels: LSP's training half, its hidden labels, and LSP-extended on demand, at equal compute.

    python studies/lsp14.py DATA [--size 96] [--steps 1400] [--lspet 1] [--arms ...] [--seeds ...]

DATA is a folder with train.json, val.json, unlabeled.json, unlabeled_reference.json and splits/labels_100_seed*.json,
all COCO keypoints. arms.py says what arms are and how a study continues."""
import sys
from pathlib import Path
from arms import main, parser
from sagepose.config import PoseConfig, override

# labels until their curve is flat, then pseudo-labels from a sweep before each of two learning-rate cycles; the better 60 % of each joint
recipe = dict(bs=16, ratio=2, views=1, stage1=3/7, stage2=3/7, ramp=.02, lambda_u=2, rounds=2, sweep_views=4, gate='adaptive',
              instance='none', beta=.25, floor=0, decay_geo=.98, decay_app=.99, weak=.5, weak_scale=.25, strong=3, strong_n=0, cutout=0)

def base(a, seed):
    d = Path(a.data); more = dict(unlabelled=d/'unlabeled.json', reference=d/'unlabeled_reference.json') if a.lspet else {}
    return override(PoseConfig(), labelled=d/'train.json', val=d/'val.json', pool=True, **more, **recipe,
        labelled_ids=d/f'splits/labels_{a.labels}_seed{seed}.json', crop=(a.size,a.size), backbone='tf_efficientnet_lite0',
        pretrained='offline', levels=3, width=64, freeze=2, seed=seed, lr=a.lr, steps=a.steps, epoch_steps=a.steps//20, device=a.device)

if __name__=='__main__':
    p = parser(__doc__, 'lsp14', size=96, steps=1400, labels=100, lr=1e-2, lspet=0); p.add_argument('data')
    main(p.parse_args(), base, 'python studies/lsp14.py DATA '+' '.join(o for o in sys.argv[1:] if '/' not in o))
