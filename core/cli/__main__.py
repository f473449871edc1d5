"""``python -m core.cli``: the same as ``stoqlab``."""

import sys

from core.cli import main

sys.exit(main())
