"""The methods of three papers as stages on emoji scenes: their parts trained, their tables measured, and chained.

Everything is made from the scenes by commands, in a folder outside the repository that ``PYTHONPATH`` leads back from;
nothing of it is shipped. The scenes are those of ``benchmarks.bridging``:

    reir data synth scenes/pretrain --split train --images 12000 --max-side 384
    reir data synth scenes/validation --split validation --images 300
    reir data synth scenes/test --split test --images 1000

VATEX's parts in CLARE, with the tower of ``train_prompted_towers``:

    python -m benchmarks.second_look.universality runs/universality --tower runs/towers/a --steps 200

Each script's page tells the rest; results are in ``docs/second-look.md``.
"""
