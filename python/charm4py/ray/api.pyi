"""For type checkers: the same as c4py.ray.api."""

from c4py.ray.api import get as get
from c4py.ray.api import get_object_store as get_object_store
from c4py.ray.api import init as init
from c4py.ray.api import put as put
from c4py.ray.api import remote as remote
from c4py.ray.api import wait as wait
