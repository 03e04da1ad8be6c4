# SPDX-License-Identifier: Apache-2.0
"""A program of its own, which a host cannot import as it is."""

from c4py import charm

charm.start(lambda args: charm.exit(0))
