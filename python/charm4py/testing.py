# SPDX-License-Identifier: Apache-2.0
"""c4py.testing under this package's name."""

import sys

import c4py.testing

sys.modules[__name__] = c4py.testing
