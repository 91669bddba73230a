"""This machine's own addresses, from the kernel's routing table."""

from pathlib import Path

from sparkcontrol.addresses import own_addresses

TABLE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
     +-- 192.168.1.0/24 2 0 2
        |-- 192.168.1.0
           /24 link UNICAST
        |-- 192.168.1.20
           /32 host LOCAL
        |-- 192.168.1.255
           /32 link BROADCAST
Local:
        |-- 192.168.1.20
           /32 host LOCAL
        |-- 100.101.2.3
           /32 host LOCAL
"""


def test_it_finds_each_address_once_and_no_loopback(tmp_path: Path) -> None:
    table = tmp_path / "fib_trie"
    table.write_text(TABLE)
    assert own_addresses(table) == ["100.101.2.3", "192.168.1.20"]


def test_it_finds_none_where_there_is_no_table(tmp_path: Path) -> None:
    assert own_addresses(tmp_path / "gone") == []
