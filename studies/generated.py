"""Generated people facing the camera, 48 labels, as in `sagepose demo`; people of their own for each seed.

    python studies/generated.py [--arms "labels,semi,labels sigma=1.5"] [--seeds 0,1,2]

arms.py says what arms are and how a study continues. Each seed has people of its own."""
import sys
from pathlib import Path
from arms import main, parser
from sagepose.cli import demo_config
from sagepose.config import PoseConfig, override
from sagepose.people import write_people

def base(a, seed):
    people,cfg = demo_config(); d = Path(a.runs)/f'people{seed}'
    if not d.exists(): write_people(d, seed=seed, **people)
    return override(PoseConfig(), **cfg, labelled=d/'labelled.json', unlabelled=d/'unlabelled.json', val=d/'val.json',
        reference=d/'unlabelled_reference.json', seed=seed, device=a.device)

if __name__=='__main__':
    main(parser(__doc__, 'generated').parse_args(), base, ' '.join(['python studies/generated.py',
         *(f'"{o}"' if ' ' in o else o for o in sys.argv[1:] if '/' not in o)]))
