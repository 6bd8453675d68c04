"""A plugin for tcpflow -e python.

    tcpflow -r my.pcap -e python -S py_path=packaging/python -S py_module=sample -S py_function=describe

A plugin is a function that takes the bytes of one finished flow and returns a string for the report, or
nothing. It can read its own directory and Python's standard library, and can compute; it has no network, no
other file, no process and no thread. What it prints goes nowhere. `python3 sample.py FILE` tries it on a
file that is there.
"""

import hashlib
import re

REQUEST = re.compile(rb"(GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH) (\S+) HTTP/1\.[01]\r?\n")


def describe(flow):
    """The flow's SHA-256, and the first HTTP request in it, if there is one."""
    digest = hashlib.sha256(flow).hexdigest()
    request = REQUEST.search(flow)
    if request is None:
        return "sha256 %s" % digest
    method, target = (part.decode("utf-8", "replace") for part in request.groups())
    return "sha256 %s\n%s %s" % (digest, method, target)


if __name__ == "__main__":
    import sys

    for name in sys.argv[1:]:
        with open(name, "rb") as file:
            print(describe(file.read()))
