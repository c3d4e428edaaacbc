"""The comparison of "Bridging Detection and Language" on emoji scenes: its parts trained, its Table 1 measured.

Everything is made from the scenes by commands, in a folder outside the repository that ``PYTHONPATH`` leads back from;
nothing of it is shipped:

    reir data synth scenes/pretrain --split train --images 12000 --max-side 384
    reir data synth scenes/refer --split train --skip 50000 --images 4000 --max-side 384
    reir data synth scenes/validation --split validation --images 300
    reir data synth scenes/test --split test --images 1000
    python -m benchmarks.bridging.train_clip scenes/pretrain/train.json --out runs/clip
    python -m benchmarks.bridging.train_detector scenes/pretrain/train.json --out runs/detector
    python -m benchmarks.bridging.base_models --detector runs/detector --clip runs/clip --out runs/base
    reir train REPOSITORY/benchmarks/bridging/rcnn-clip.toml --out runs/rcnn-clip
    reir train REPOSITORY/benchmarks/bridging/rpn-clip.toml --out runs/rpn-clip
    python -m benchmarks.bridging.table1 --validation scenes/validation/validation.json --test scenes/test/test.json
        --base runs/base --fine-tuned runs --json runs/table1.json

Each script's page tells the rest; results are in ``docs/bridging.md``.
"""
