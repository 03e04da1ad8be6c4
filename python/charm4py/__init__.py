# SPDX-License-Identifier: Apache-2.0
"""The package under the name that programs written for Charm4py import: every name here is c4py's own object.

With the environment variable CHARM_NOLOAD set to anything but 0 nothing is loaded; build scripts
use that.
"""

import os as _os
import sys as _sys

if _os.environ.get("CHARM_NOLOAD", "0") == "0":
    import c4py as _c4py
    from c4py import *
    from c4py import __getattr__ as __getattr__
    from c4py import __version__ as __version__

    # Those made by c4py._submodules are there already; these are files.
    for _name in ("wait", "liveviz", "ray", "ray.api", "lowlevel"):
        _sys.modules[f"{__name__}.{_name}"] = _sys.modules[f"{_c4py.__name__}.{_name}"]
