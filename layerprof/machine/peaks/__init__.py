"""What the vendors say a device can do at most: dense rates from their documents, and CPUs by instruction set.

Use the measured ceilings where there are some: a vendor's peak is reached by nothing, and says nothing of a machine
that is shared, throttled or on battery. It is what a measured ceiling can be checked against.
"""

from layerprof.machine.peaks.cpus import Processor, peaks_of_cpu, this_processor
from layerprof.machine.peaks.gpus import peaks_of_gpu

__all__ = ["Processor", "peaks_of_cpu", "peaks_of_gpu", "this_processor"]
