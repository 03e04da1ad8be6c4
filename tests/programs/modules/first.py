# SPDX-License-Identifier: Apache-2.0
from charm4py import Chare, register


@register
class Hello(Chare):
    def say(self):
        return "first"


class NotRegistered(Chare):
    pass


class ByArgument(Chare):
    def say(self):
        return "by classes="
