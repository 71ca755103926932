"""One training step by layer: forward, backward and the optimizer, in steps of three lines.

Backward work is the layer's that caused it, also where layers share their input. What the step does to the weights is
meant: the model is trained a little by being profiled.
"""

import torch

import layerprof as lp

model = torch.nn.Sequential(
    torch.nn.Conv2d(3, 16, 3),
    torch.nn.BatchNorm2d(16),
    torch.nn.ReLU(),
    torch.nn.AdaptiveAvgPool2d(4),
    torch.nn.Flatten(),
    torch.nn.Linear(256, 10),
)
optimizer = torch.optim.AdamW(model.parameters())
pixels, labels = torch.randn(8, 3, 64, 64), torch.randint(10, (8,))


def training_step() -> None:
    """Forward, backward, and the optimizer's step."""
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(model(pixels), labels).backward()
    optimizer.step()


profile = lp.profile(model, call=training_step, train=True)
print(profile)

convolution = profile["0"].by_phase
print("the convolution's FLOPs:", {name: phase.flops for name, phase in convolution.items()})
