"""Profile a model of one's own: which layer takes the time, the FLOPs and the memory."""

import torch

import layerprof as lp

features = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(4))
model = torch.nn.Sequential(features, torch.nn.Flatten(), torch.nn.Linear(256, 10))

profile = lp.profile(model, torch.randn(8, 3, 64, 64))
print(profile)
print("the convolution's FLOPs:", profile["0.0"].flops)
