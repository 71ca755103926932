"""Whether kernels worked in the format that their op was counted in, as far as their names tell.

The format of an op is read off its operands and torch's settings. Only of single precision may a library do otherwise:
round it to TensorFloat-32 where the settings do not say so, or not do it where they do. Its kernels' names tell:
cuBLAS and cuDNN write ``tf32`` into those that round, and ``sgemm`` into those that do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from layerprof.records import KernelProfile, LayerProfile, Note

_SINGLE, _ROUNDED = "float32", "tf32"
_MARK_OF = {_SINGLE: "sgemm", _ROUNDED: "tf32"}


def notes_on_formats(layers: Sequence[LayerProfile]) -> Iterator[Note]:
    """One note for each way in which kernels contradict the formats that were counted."""
    for counted, found in ((_SINGLE, _ROUNDED), (_ROUNDED, _SINGLE)):
        wrong = [layer.path for layer in layers if _has_kernels(layer, counted=counted, found=found)]
        if wrong:
            text = (
                f"products of {len(wrong)} layers, first {wrong[0]!r}, were counted in {counted} by torch's settings "
                f"and ran in {found} by their kernels' names; their efficiency is against the wrong ceiling"
            )
            yield Note(code="kernels_in_other_format", quantity="flops_by_dtype", scope="step", text=text)


def _has_kernels(layer: LayerProfile, *, counted: str, found: str) -> bool:
    return any(op.dtype == counted and any(_is_in(kernel, found) for kernel in op.kernels) for op in layer.ops)


def _is_in(kernel: KernelProfile, dtype: str) -> bool:
    return kernel.kind == "kernel" and _MARK_OF[dtype] in kernel.name.lower()
