"""100 real labels: LSP's training half, its hidden labels, and LSP-extended on demand, at equal compute.

    python studies/lsp14.py DATA [--size 64] [--steps 800] [--lspet 1] [--arms ...] [--seeds ...]

DATA is a folder with train.json, val.json, unlabeled.json, unlabeled_reference.json and splits/labels_100_seed*.json,
all COCO keypoints. arms.py says what arms are and how a study continues."""
import sys
from pathlib import Path
from arms import main, parser
from sagepose.config import PoseConfig, override

def base(a, seed):
    d = Path(a.data); more = dict(unlabelled=d/'unlabeled.json', reference=d/'unlabeled_reference.json') if a.lspet else {}
    return override(PoseConfig(), labelled=d/'train.json', val=d/'val.json', pool=True, **more,
        labelled_ids=d/f'splits/labels_{a.labels}_seed{seed}.json', crop=(a.size,a.size), backbone='tf_efficientnet_lite0',
        pretrained='offline', levels=3, width=32, freeze=2, seed=seed, lr=a.lr, steps=a.steps, epoch_steps=max(a.steps//20,1),
        bs=12, ratio=3, views=1, stage1=.2, stage2=.2, decay_geo=.98, decay_app=.99, beta=0, weak=.5, weak_rot=10, device=a.device)

if __name__=='__main__':
    p = parser(__doc__, 'lsp14', size=64, steps=800, labels=100, lr=1e-2, lspet=0); p.add_argument('data')
    main(p.parse_args(), base, 'python studies/lsp14.py DATA '+' '.join(o for o in sys.argv[1:] if '/' not in o))
