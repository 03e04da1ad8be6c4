# SPDX-License-Identifier: Apache-2.0
"""Starting jobs as Charm4py does: ``python -m charmrun.start +p4 prog.py``."""
