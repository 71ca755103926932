"""Which layers of BLIP-2 take the time, on real pictures and questions, through the Python API.

The small preset has the structure of BLIP-2 and random weights. With ``blip2-opt-2.7b`` in place of ``blip2-tiny`` the
same lines measure the full geometry, which takes 8 GB and a minute or two.
"""

import layerprof as lp
from layerprof import models, tasks

BATCH_SIZE = 2

task = tasks.load("sample")
samples = task.samples(BATCH_SIZE)
model = lp.models.load("blip2-tiny")
inputs = models.adapter_for(model).inputs(
    model, tasks.open_images(samples), [task.prompt(sample) for sample in samples], models.InputOptions()
)

profile = lp.profile(model, inputs, passes=("time", "flops", "memory"), repeats=10)

for sample in samples:
    print(f"{sample.id}: {sample.question}")
print(profile)

blocks = profile["vision_model.encoder"]
if blocks.total_s is not None and profile.step_s is not None:
    share = blocks.total_s.median / profile.step_s.median
    print(f"the vision blocks take {share:.0%} of the step and {blocks.flops} FLOPs")
lp.save(profile, "blip2-layers.html")
