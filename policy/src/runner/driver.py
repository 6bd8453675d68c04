# Calls a function of the user's with the bytes of each finished flow, and answers with what it returns.
#
# Descriptor 0 brings, for each call, a length (8 bytes, little-endian) and so many bytes. Descriptor 3 takes,
# for each call, a letter, a length (4 bytes, little-endian) and so much text. This process is confined as
# the plugin is: whoever reads the answers takes them for hostile.
import io
import os
import sys

LIMIT = 64 * 1024


def answer(letter, text=""):
    data = text.encode("utf-8", "replace")
    if len(data) > LIMIT:
        data = data[:LIMIT].decode("utf-8", "ignore").encode("utf-8")
        letter = letter.lower()
    message = letter.encode("ascii") + len(data).to_bytes(4, "little") + data
    while message:
        message = message[os.write(3, message):]


def describe(error):
    name = type(error).__name__
    try:
        text = str(error)
    except BaseException:
        text = ""
    return (name + ": " + text if text else name)[:1000]


def load(path, module, function):
    import importlib

    sys.path.insert(0, path)
    found = getattr(importlib.import_module(module), function)
    if not callable(found):
        raise TypeError("%s.%s cannot be called" % (module, function))
    return found


def text_of(value):
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value[: LIMIT + 1].decode("utf-8", "replace")
    raise TypeError("returned %s, not a string" % type(value).__name__)


def call(function, data):
    try:
        value = function(data)
        if value is None:
            return ("N",)
        # Of a text that is far too long no second copy is made.
        return ("T", text_of(value)[: LIMIT + 1])
    except BaseException as error:
        return ("X", describe(error))
    finally:
        try:
            sys.stdout.flush()
        except BaseException:
            pass


def main(path, module, function):
    try:
        function = load(path, module, function)
    except BaseException as error:
        answer("E", describe(error))
        os._exit(1)
    answer("R")
    calls = io.BufferedReader(io.FileIO(0, "rb", closefd=False))
    while True:
        length = calls.read(8)
        if len(length) < 8:
            os._exit(0)
        length = int.from_bytes(length, "little")
        data = calls.read(length)
        if len(data) < length:
            os._exit(0)
        answer(*call(function, data))


main(*sys.argv[1:])
