"""The comparison of "Bridging Detection and Language" on emoji scenes: its parts trained, its Table 1 measured.

Everything is made from the scenes by commands; nothing of it is shipped:

    reir data synth scenes/pretrain --split train --images 12000 --max-side 384
    reir data synth scenes/refer --split train --skip 50000 --images 4000 --max-side 384
    reir data synth scenes/validation --split validation --images 300
    reir data synth scenes/test --split test --images 1000
    python -m benchmarks.bridging.train_clip scenes/pretrain/train.json --out runs/clip
    python -m benchmarks.bridging.train_detector scenes/pretrain/train.json --out runs/detector
"""
