"How many pictures of people a second one core draws: python benchmarks/bench_people.py [rounds]"
import sys, time, cv2
from sagepose.people import draw_people

cv2.setNumThreads(1)
rounds = int(sys.argv[1]) if len(sys.argv)>1 else 5
print(f"{'H x W':>9} {'people':>6} {'crops/s':>8}   (one thread, best of {rounds})")
for size,p,n in (((128,96),1,128), ((128,128),1,128), ((256,192),1,64), ((192,256),3,64)):
    draw_people(4, size, p)
    best = 0
    for r in range(rounds):
        t = time.perf_counter(); draw_people(n, size, p, seed=r)
        best = max(best, n*p/(time.perf_counter()-t))
    print(f'{size[0]:>5}x{size[1]:<3} {p:>6} {best:>8.0f}')
