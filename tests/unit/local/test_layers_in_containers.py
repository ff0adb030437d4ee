"""Our plugin puts layers into the containers of functions; LocalStack's objects are stood for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from tidemill_localstack import layers


class Code:
    """A layer's archive in LocalStack."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.unpacked = 0

    def prepare_for_execution(self):
        self.unpacked += 1

    def get_unzipped_code_location(self):
        return self.folder


def version(*codes):
    return SimpleNamespace(config=SimpleNamespace(layers=[SimpleNamespace(code=code) for code in codes]))


def test_layers_are_unpacked_and_copied_in_their_order():
    first, second = Code("/a"), Code("/b")
    container = SimpleNamespace(copy_folders=[("/code/.", "/var/task")])
    layers.unpack(version(first, None, second))
    layers.add(container, version(first, None, second))
    assert (first.unpacked, second.unpacked) == (1, 1)
    assert container.copy_folders == [("/code/.", "/var/task"), ("/a/.", "/opt"), ("/b/.", "/opt")]
