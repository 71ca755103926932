"""``python -m layerprof`` is the command ``layerprof``."""

import sys

from layerprof.cli.main import main

sys.exit(main())
