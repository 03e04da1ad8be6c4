# SPDX-License-Identifier: Apache-2.0
from charm4py import Chare


class Imported(Chare):
    def say(self):
        return "imported by name"
