"""Encode, decode, warp and cutout throughput, as a share of one ResNet-18 forward pass of the same crops.

    python benchmarks/bench_heatmaps.py [H] [W]"""
import sys, time
import torch
from sagepose.augmentations import joint_cutout
from sagepose.geometry import rand_affine
from sagepose.heatmaps import decode, encode, soft_argmax
from sagepose.models import pose_model
from sagepose.skeleton import coco17

H,W = (int(a) for a in sys.argv[1:3]) if len(sys.argv)>2 else (256,192)
b,crop,hm = 32,(H,W),(H//4,W//4)
kpts = torch.rand(b,17,2)*torch.tensor([W-1.,H-1.]); maps = encode(kpts, crop, hm); x = torch.randn(b,3,H,W)
w = rand_affine(b, crop, 45, .3); m = pose_model('resnet18', 'coco17', 'none').eval()
def net():
    with torch.no_grad(): m(x)
todo = dict(forward=net, encode=lambda: encode(kpts, crop, hm), decode=lambda: decode(maps, crop),
            argmax=lambda: decode(maps, crop, refine=False), soft_argmax=lambda: soft_argmax(maps),
            warp_image=lambda: w.image(x), warp_heatmap=lambda: w.heatmap(maps, coco17),
            cutout=lambda: joint_cutout(x, kpts))
ts = {k:[] for k in todo}
for i in range(8):
    for k,f in todo.items():
        t = time.perf_counter(); f()
        if i: ts[k].append(time.perf_counter()-t)
med = {k:sorted(v)[len(v)//2] for k,v in ts.items()}
print(f'{b} crops of {H}x{W}, 17 keypoints, {torch.get_num_threads()} threads')
for k,v in med.items():
    print(f"{k:13}{v*1e3:8.1f} ms {b/v:10.0f} crops/s {v/med['forward']:8.1%} of a forward pass")
