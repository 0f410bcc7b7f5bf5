"""A module that takes as long to import as kernels do to compile."""

import time

time.sleep(30)
