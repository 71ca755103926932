"""Traces of a model with its layers' real names: for Perfetto, for TensorBoard, and back from torch's own profiler.

Afterwards ``layerprof tensorboard --logdir boards`` shows the folder, without a network; the files that end in
``.trace.json.gz`` open in https://ui.perfetto.dev and in chrome://tracing.
"""

from pathlib import Path

import torch

import layerprof as lp

features = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(4))
model = torch.nn.Sequential(features, torch.nn.Flatten(), torch.nn.Linear(256, 10)).eval()
images = torch.randn(8, 3, 64, 64)

profile = lp.profile(model, images)
lp.export_trace(profile, "layers.trace.json.gz")
lp.export_tensorboard(profile, "boards/first")
print(*sorted(str(path) for path in Path("boards").rglob("*.gz")), sep="\n")

# A trace that somebody recorded with torch's own profiler: asked for with stacks, it has module events.
with torch.profiler.profile(with_stack=True, record_shapes=True) as session, torch.no_grad():
    model(images)
session.export_chrome_trace("elsewhere.json")

print(lp.load_trace("elsewhere.json"))
