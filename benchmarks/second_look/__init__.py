"""The methods of three papers as stages on emoji scenes: their parts trained, their tables measured, and chained.

Everything is made from the scenes by commands, in a folder outside the repository that ``PYTHONPATH`` leads back from;
nothing of it is shipped. The scenes are those of ``benchmarks.bridging``:

    reir data synth scenes/pretrain --split train --images 12000 --max-side 384
    reir data synth scenes/validation --split validation --images 300
    reir data synth scenes/test --split test --images 1000

Tune-An-Ellipse's towers, one that knows red ellipses and one for Grad-CAM alone, and its tables 1 to 3 (``runs/clip``
and ``runs/base`` are those of ``benchmarks.bridging``):

    python -m benchmarks.second_look.train_prompted_towers scenes/pretrain/train.json --start runs/clip
        --side 192 --out runs/towers/a
    python -m benchmarks.second_look.train_prompted_towers scenes/pretrain/train.json --start runs/clip
        --side 384 --steps 0 --out runs/towers/crops
    python -m benchmarks.second_look.ellipse_tables scenes/validation/validation.json --split validation
        --towers runs/towers/a runs/towers/crops --crops runs/clip --detector runs/base/rcnn-clip
        --out runs/ellipse --points 6 --steps 50 --rate 4e-3 --queries 24
    python -m benchmarks.second_look.ellipse_tables scenes/test/test.json --split test
        --towers runs/towers/a runs/towers/crops --crops runs/clip --detector runs/base/rcnn-clip
        --out runs/ellipse --points 6 --steps 50 --rate 4e-3 --queries 104

VATEX's parts in CLARE, with the tower of ``train_prompted_towers``:

    python -m benchmarks.second_look.universality runs/universality --tower runs/towers/a --steps 200

TAS's parts, and its tables 4 and 3:

    python -m benchmarks.second_look.train_sam scenes/pretrain/train.json
        --validation scenes/validation/validation.json --out parts/sam
    python -m benchmarks.second_look.train_captioner scenes/pretrain/train.json
        --validation scenes/validation/validation.json --out parts/captioner --steps 4500
    python -m benchmarks.second_look.tas_tables scenes/test/test.json --tower runs/clip --sam parts/sam
        --captioner parts/captioner --out runs/tas --images 400

VATEX's tables 4 and 17:

    python -m benchmarks.second_look.vatex_tables train --tower runs/clip --work runs/vatex --steps 800
    python -m benchmarks.second_look.vatex_tables report --work runs/vatex

Whether the rectifier's gain is geometry's, and all of them as stages over one index:

    reir index scenes/validation/images --db db/validation --model clare-tiny
    reir index scenes/test/images --db db/test --model clare-tiny
    python -m benchmarks.second_look.rectifier_control scenes/test/test.json --db db/test
    python -m benchmarks.second_look.gallery_table --json runs/gallery.json
        --validation scenes/validation/validation.json --validation-db db/validation --validation-queries 60
        --test scenes/test/test.json --test-db db/test --test-queries 200
        --tas tas:runs/clip,captioner=parts/captioner,masks=box
        --ellipse ellipse:runs/towers/a,cam=runs/towers/a+runs/towers/crops,steps=50,rate=0.004,precision=bfloat16
        --vatex vatex:runs/vatex/clip-prior/0/model

Each script's page tells the rest; results are in ``docs/second-look.md``.
"""
