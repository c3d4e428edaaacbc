"""One step of training CLARE at full size: images a second, memory, and the share of the machine's speed.

The paper's network (ViT-B or ViT-L, 900 queries) with random weights takes optimisation steps, whole loss and AdamW, on
random pictures of 800 x 1333 pixels (padded to 832 x 1344) with 16 objects and 16 expressions each (paper, appendix
A.1). Batch sizes are tried in turn until one does not fit.

The operations of a step, forward and backward, are counted by torch on tensors without data: matrix products,
convolutions and attention, without what checkpointing computes twice and without samples of deformable attention. Their
rate is compared with a plain square matrix product of the same precision on the same machine, in the same run, and on
known GPUs with the maker's figure for dense bfloat16.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parents[1]))

from machine import print_machine

from reir.models.clare import VIT_B, VIT_L, ClareConfig, build_clare
from reir.models.clare.denoising import denoising_queries
from reir.models.clare.network import Clare
from reir.models.clare.pixels import normalise_pixels
from reir.training.batch import Batch
from reir.training.config import CliaConfig, LossConfig
from reir.training.objective import total_loss

MODELS = {"vit-b": VIT_B, "vit-l": VIT_L}
OBJECTS = 16
TOKENS = 24
CHIPS = {"H200": 989.5e12, "H100": 989.5e12, "A100": 312e12, "A800": 312e12, "L40S": 362e12, "L4": 121e12}
"""Dense bfloat16 operations a second by the makers' data sheets."""


def random_batch(pictures: int, height: int, width: int, *, seed: int = 0) -> Batch:
    """Pictures of noise, with objects anywhere, each described by an expression of its own."""
    generator = torch.Generator().manual_seed(seed)
    rows, columns = -(-height // 64) * 64, -(-width // 64) * 64
    padding = torch.ones(pictures, rows, columns, dtype=torch.bool)
    padding[:, :height, :width] = False
    sides = torch.rand(pictures * OBJECTS, 2, generator=generator) * 0.3 + 0.05
    centres = sides / 2 + torch.rand(pictures * OBJECTS, 2, generator=generator) * (0.9 - sides)
    picture = torch.arange(pictures).repeat_interleave(OBJECTS)
    count = pictures * OBJECTS
    return Batch(
        pixels=torch.randint(0, 256, (pictures, rows, columns, 3), generator=generator, dtype=torch.uint8),
        boxes_cxcywh=torch.cat([centres, sides], dim=1),
        object_picture=picture,
        token_ids=torch.randint(2, 30_000, (count, TOKENS), generator=generator),
        token_mask=torch.ones(count, TOKENS, dtype=torch.bool),
        text_picture=picture,
        labels=(2 * torch.eye(count) - 1).to(torch.int8),
        padding=padding if padding.any() else None,
    )


def step(network: Clare, optim: torch.optim.Optimizer, batch: Batch, *, denoising: int, bf16: bool) -> float:
    """The loss of one optimisation step."""
    device = next(network.parameters()).device
    images = normalise_pixels(batch.pixels.to(device, non_blocking=True))
    padding = None if batch.padding is None else batch.padding.to(device)
    noised = denoising_queries(batch.boxes_cxcywh, batch.object_picture, pictures=len(images), queries=denoising)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
        visual, text = network(
            images,
            batch.token_ids.to(device),
            batch.token_mask.to(device),
            padding,
            None if noised is None else noised.to(device),
        )
    loss, _ = total_loss(network, nn.ModuleDict(), visual, text, batch, LossConfig(), CliaConfig())
    optim.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 0.1)
    optim.step()
    return float(loss.detach())


def counted_operations(config: ClareConfig, height: int, width: int) -> float:
    """Operations of one picture and its expressions, forward and backward, without a number being computed."""
    rows, columns = -(-height // 64) * 64, -(-width // 64) * 64
    # Attention by its plain products, whose operations the counter knows on every device.
    network = build_clare(config).train()
    with FakeTensorMode(allow_non_fake_inputs=True), sdpa_kernel(SDPBackend.MATH):
        images, ids = torch.empty(1, 3, rows, columns), torch.zeros(OBJECTS, TOKENS, dtype=torch.long)
        with FlopCounterMode(display=False) as counter:
            visual, text = network(images, ids, torch.ones_like(ids, dtype=torch.bool))
            outputs: list[Tensor] = [visual.features, visual.boxes_cxcywh, visual.objectness, text.embedding]
            outputs += [visual.proposal_boxes_cxcywh, visual.proposal_objectness]
            torch.stack([output.sum() for output in outputs]).sum().backward()
    return float(counter.get_total_flops())


def product_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second of a plain square matrix product, the best of a few."""
    side = 8192 if device.type == "cuda" else 2048
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    seconds = []
    for _ in range(6):
        started = now(device)
        a @ b
        seconds.append(now(device) - started)
    return 2 * side**3 / min(seconds[1:])


def now(device: torch.device) -> float:
    """The clock, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def peak_gib(device: torch.device) -> float:
    """The most memory so far: allocated on a GPU, resident in this process otherwise."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def measure(
    config: ClareConfig, pictures: int, options: argparse.Namespace, device: torch.device
) -> dict[str, float] | None:
    """Seconds of a step and memory at a batch size, or None where it does not fit."""
    torch.manual_seed(0)
    height, width = options.size
    batch = random_batch(pictures, height, width)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    try:
        with device:
            network = build_clare(config).train()
        network.visual.checkpointing = not options.no_checkpointing
        optim = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)
        losses, seconds = [], []
        for _ in range(1 + options.steps):
            started = now(device)
            losses.append(step(network, optim, batch, denoising=options.denoising, bf16=options.bf16))
            seconds.append(now(device) - started)
    except torch.cuda.OutOfMemoryError:
        return None
    if not torch.isfinite(torch.tensor(losses)).all():
        raise SystemExit(f"the loss is not finite: {losses}")
    timed = seconds[1:]
    return {
        "batch": pictures,
        "seconds": statistics.median(timed),
        "spread": (max(timed) - min(timed)) / statistics.median(timed),
        "images_per_second": pictures / statistics.median(timed),
        "peak_gib": peak_gib(device),
        "first_loss": losses[0],
        "last_loss": losses[-1],
    }


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", choices=sorted(MODELS), default="vit-b")
    options.add_argument("--size", type=int, nargs=2, default=(800, 1333), metavar=("HEIGHT", "WIDTH"))
    options.add_argument("--batches", type=int, nargs="+", help="pictures of a step; 1 on a CPU, 1 to 32 on a GPU")
    options.add_argument("--steps", type=int, help="timed steps after the first; 2 on a CPU, 10 on a GPU")
    options.add_argument("--queries", type=int, default=900)
    options.add_argument("--denoising", type=int, default=0, help="denoising queries a picture")
    options.add_argument("--no-checkpointing", action="store_true")
    options.add_argument("--bf16", action=argparse.BooleanOptionalAction, help="autocast; by default on a GPU")
    options.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options.add_argument("--json", type=Path)
    chosen = options.parse_args()
    device = torch.device(chosen.device)
    gpu = device.type == "cuda"
    chosen.batches = chosen.batches or ([1, 2, 4, 8, 16, 32] if gpu else [1])
    chosen.steps = chosen.steps or (10 if gpu else 2)
    chosen.bf16 = gpu if chosen.bf16 is None else chosen.bf16
    config = replace(MODELS[chosen.model], queries=chosen.queries)
    print_machine(["torch", "open_clip_torch", "timm"], seed=0)
    name = torch.cuda.get_device_name() if gpu else f"CPU, {torch.get_num_threads()} threads"
    print(f"device    {name}, {'bfloat16 autocast' if chosen.bf16 else 'float32'}")
    operations = counted_operations(config, *chosen.size)
    rate = product_rate(device, torch.bfloat16 if chosen.bf16 else torch.float32)
    peak = next((speed for chip, speed in CHIPS.items() if chip in name), None) if chosen.bf16 else None
    print(f"network   {chosen.model}, {chosen.queries} queries, {chosen.size[0]} x {chosen.size[1]} pixels", end="")
    print(f", checkpointing {'off' if chosen.no_checkpointing else 'on'}, {chosen.denoising} denoising queries")
    print(f"counted   {operations / 1e12:.2f} TFLOP a picture, forward and backward")
    print(f"product   {rate / 1e12:.2f} TFLOP/s" + (f"; data sheet {peak / 1e12:.0f} TFLOP/s" if peak else ""))
    print("batch  s/step  spread  images/s  peak GiB  TFLOP/s  of product  of chip  loss")
    results = []
    for pictures in chosen.batches:
        found = measure(config, pictures, chosen, device)
        gc.collect()
        if gpu:
            torch.cuda.empty_cache()
        if found is None:
            print(f"{pictures:>5}  does not fit")
            break
        done = operations * found["images_per_second"]
        found |= {"flops": done, "of_product": done / rate} | ({"of_chip": done / peak} if peak else {})
        results.append(found)
        columns = [
            f"{pictures:>5}  {found['seconds']:>6.2f}  {100 * found['spread']:>5.0f}%",
            f"{found['images_per_second']:>8.3f}  {found['peak_gib']:>8.1f}  {done / 1e12:>7.2f}",
            f"{100 * done / rate:>9.0f}%  " + (f"{100 * done / peak:>6.0f}%" if peak else f"{'-':>7}"),
            f"{found['first_loss']:.1f} to {found['last_loss']:.1f}",
        ]
        print("  ".join(columns), flush=True)
    if chosen.json:
        asked = {key: value for key, value in vars(chosen).items() if key not in {"json", "device"}}
        facts = {"device": name, **asked, "flop_a_picture": operations, "product": rate}
        chosen.json.write_text(json.dumps({**facts, "rows": results}, indent=1))


if __name__ == "__main__":
    main()
