"""The methods of three papers as stages on emoji scenes: their parts trained, their tables measured, and chained.

Everything is made from the scenes by commands, in a folder outside the repository that ``PYTHONPATH`` leads back from;
nothing of it is shipped. The scenes are those of ``benchmarks.bridging``:

    reir data synth scenes/pretrain --split train --images 12000 --max-side 384
    reir data synth scenes/validation --split validation --images 300
    reir data synth scenes/test --split test --images 1000

VATEX's parts in CLARE, with the tower of ``train_prompted_towers``:

    python -m benchmarks.second_look.universality runs/universality --tower runs/towers/a --steps 200

TAS's parts, and its tables 4 and 3:

    python -m benchmarks.second_look.train_sam scenes/pretrain/train.json
        --validation scenes/validation/validation.json --out parts/sam
    python -m benchmarks.second_look.train_captioner scenes/pretrain/train.json
        --validation scenes/validation/validation.json --out parts/captioner
    python -m benchmarks.second_look.tas_tables scenes/test/test.json --tower runs/clip --sam parts/sam
        --captioner parts/captioner --out runs/tas

Each script's page tells the rest; results are in ``docs/second-look.md``.
"""
