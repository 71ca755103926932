"""An assumption in place of a counter: so many watts, whatever the device does. Only for who asks for it by name.

    estimate:65    65 W
    estimate:65W   the same
    estimate:tdp   what the vendor states for this device, where it is in the table

It knows nothing that time does not know, and all that is made of it is of the kind ``estimated``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from layerprof.clock import Clock
from layerprof.energy.base import EnergySource, SourceFacts
from layerprof.energy.sources.base import ENERGY, DeviceAsked, FunctionSource
from layerprof.errors import InputError
from layerprof.records import FrozenMapping, Note

NAME = "estimate"

_VENDORS = "tdp"
_WATTS = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?[wW]?")
_LEAST_W, _MOST_W = 1e-3, 1e6  # of one device; beyond, a unit or a digit is wrong
_REMEDY = 'give the watts, as in "estimate:65"'
_SEPARATORS = re.compile(r"[^a-z0-9.]+")
_SAYS_NOTHING = frozenset({"nvidia", "tesla", "geforce"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Design:
    """A vendor's thermal design power.

    Attributes:
        name: regular expression for the whole of the device's name, normalised.
        watts: as the source states.
        source: where.
    """

    name: str
    watts: float
    source: str


_VOLTA = "https://images.nvidia.com/content/technologies/volta/pdf/volta-v100-datasheet-update-us-1165301-r5.pdf"
_AMPERE = (
    "https://www.nvidia.com/content/dam/en-zz/Solutions/Data-Center/a100/pdf/"
    "nvidia-a100-datasheet-us-nvidia-1758950-r4-web.pdf"
)
_HOPPER = "https://resources.nvidia.com/en-us-tensor-core/nvidia-tensor-core-gpu-datasheet"

# Boards whose power can be configured over a range (H100 NVL, A2, B200) are left out.
_DESIGNS = (
    _Design(name=r"v100 sxm2( (16|32)gb)?", watts=300.0, source=_VOLTA),
    _Design(name=r"v100 pcie( (16|32)gb)?", watts=250.0, source=_VOLTA),
    _Design(name=r"t4", watts=70.0, source="https://www.nvidia.com/en-us/data-center/tesla-t4/"),
    _Design(name=r"a100 sxm4 (40|80)gb", watts=400.0, source=_AMPERE),
    _Design(name=r"a100 (80gb pcie|pcie 80gb)", watts=300.0, source=_AMPERE),
    _Design(
        name=r"a100 (40gb pcie|pcie 40gb)",
        watts=250.0,
        source="https://www.nvidia.com/content/dam/en-zz/Solutions/Data-Center/a100/pdf/nvidia-a100-datasheet.pdf",
    ),
    _Design(
        name=r"a30",
        watts=165.0,
        source="https://www.nvidia.com/content/dam/en-zz/solutions/data-center/products/a30-gpu/pdf/a30-datasheet.pdf",
    ),
    _Design(
        name=r"a10",
        watts=150.0,
        source="https://www.nvidia.com/content/dam/en-zz/Solutions/Data-Center/a10/pdf/datasheet-new/nvidia-a10-datasheet.pdf",
    ),
    _Design(
        name=r"a40",
        watts=300.0,
        source="https://images.nvidia.com/content/Solutions/data-center/a40/nvidia-a40-datasheet.pdf",
    ),
    _Design(name=r"l4", watts=72.0, source="https://www.nvidia.com/en-us/data-center/l4/"),
    _Design(name=r"l40s", watts=350.0, source="https://resources.nvidia.com/en-us-l40s/l40s-datasheet-28413"),
    _Design(
        name=r"rtx 4090",
        watts=450.0,
        source="https://images.nvidia.com/aem-dam/Solutions/geforce/ada/nvidia-ada-gpu-architecture.pdf",
    ),
    _Design(name=r"h100 (sxm5 )?(80gb )?hbm3|h100 sxm5( 80gb)?", watts=700.0, source=_HOPPER),
    _Design(
        name=r"h100( 80gb)? pcie",
        watts=350.0,
        source="https://www.nvidia.com/content/dam/en-zz/Solutions/Data-Center/h100/PB-11133-001_v01.pdf",
    ),
    _Design(
        name=r"h200( sxm5)?( 141gb)?( hbm3e)?",
        watts=700.0,
        source="https://www.nvidia.com/en-us/data-center/h200/",
    ),
)


def estimated_source(spec: str, device: DeviceAsked, *, clock: Clock) -> EnergySource:
    """Constant power times time.

    Args:
        spec: ``estimate:`` with watts or ``tdp`` behind it.
        device: that the assumption is made of.
        clock: where time comes from.

    Raises:
        InputError: where it says nothing, or the vendor's figure for the device is not known.
    """
    watts, assumption = _assumed(spec, device)
    start_ns = clock.now_ns()
    text = f"nothing was measured: {assumption}, at work and idle alike; joules follow time alone"
    facts = SourceFacts(
        name=NAME,
        domain="cpu_package" if device.type == "cpu" else "gpu_board",
        device=device.name or device.type,
        identity=f"{NAME} of {assumption} for {_identity_of(device)}",
        kind="estimated",
        facts=FrozenMapping({"assumption": assumption}),
        notes=(Note(code="estimated", quantity=ENERGY, scope=NAME, text=text),),
    )
    return FunctionSource(facts, lambda: watts * (clock.now_ns() - start_ns) / 1e9)


def _assumed(spec: str, device: DeviceAsked) -> tuple[float, str]:
    """Watts, and where they come from.

    Raises:
        InputError: as `estimated_source`.
    """
    name, _, asked = (part.strip() for part in spec.partition(":"))
    if name != NAME or not asked:
        raise InputError(f"energy {spec!r}: an estimate is asked for by name; {_REMEDY}")
    if asked.lower() == _VENDORS:
        design = _design_of(device.name)
        if design is None:
            raise InputError(f"energy {spec!r}: no vendor's power is in the table for {device.name!r}; {_REMEDY}")
        return design.watts, f"{design.watts:g} W, the vendor's design power ({design.source})"
    watts = _WATTS.fullmatch(asked)
    if watts is None or not _LEAST_W <= float(watts[1]) <= _MOST_W:
        limits = f"from {_LEAST_W:g} to {_MOST_W:g}"
        raise InputError(f"energy {spec!r}: {asked!r} is no number of watts {limits}; {_REMEDY}")
    return float(watts[1]), f"{float(watts[1]):.12g} W, as the caller said"


def _identity_of(device: DeviceAsked) -> str:
    """All that tells a device from another."""
    uuid = device.uuid.hex() if isinstance(device.uuid, bytes) else device.uuid
    index = None if device.index is None else f"index {device.index}"
    return ", ".join(filter(None, (device.type, device.name, uuid, device.pci_bus_id, index)))


def _design_of(name: str) -> _Design | None:
    words = (word for word in _SEPARATORS.split(name.casefold()) if word and word not in _SAYS_NOTHING)
    normal = " ".join(words)
    return next((design for design in _DESIGNS if re.fullmatch(design.name, normal)), None)
