"""Where webhooks may go, and the many spellings of where they may not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.webhooks import guard
from services.webhooks.guard import NotAllowed, canonical, check_address, check_url, parse_allowances

PRIVATE = parse_allowances(["private"])
EVERYWHERE = parse_allowances(["private", "external"])


@pytest.mark.parametrize(
    "address", ["10.0.0.7", "172.16.3.4", "172.31.255.255", "192.168.1.20", "fd00::1", "::ffff:10.0.0.7"]
)
def test_private_networks_are_allowed_by_default(address: str) -> None:
    check_address(canonical(address), 18789, PRIVATE)


@pytest.mark.parametrize("address", ["8.8.8.8", "172.32.0.1", "192.169.0.1", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_the_internet_is_not_unless_it_is_listed(address: str) -> None:
    with pytest.raises(NotAllowed):
        check_address(canonical(address), 443, PRIVATE)
    check_address(canonical(address), 443, EVERYWHERE)


SPECIAL = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.1", "100.64.0.1",
    "100.100.100.200", "192.0.0.192", "168.63.129.16", "198.18.0.1", "224.0.0.1", "239.255.255.250", "240.0.0.1",
    "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "fe80::1%eth0",
    "fec0::1", "ff02::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:0:1::1", "fd00:ec2::254",
]  # fmt: skip


@pytest.mark.parametrize("address", SPECIAL)
def test_special_addresses_are_not_covered_by_any_wide_word(address: str) -> None:
    with pytest.raises(NotAllowed, match="SPARKCONTROL_WEBHOOK_NETWORKS"):
        check_address(canonical(address), 8080, EVERYWHERE)


def test_a_special_network_is_allowed_when_it_is_named_itself() -> None:
    check_address(canonical("127.0.0.1"), 8080, parse_allowances(["127.0.0.0/8"]))
    check_address(canonical("100.99.1.1"), 8080, parse_allowances(["tailscale"]))
    check_address(canonical("::1"), 8080, parse_allowances(["loopback"]))
    with pytest.raises(NotAllowed):
        check_address(canonical("169.254.169.254"), 80, parse_allowances(["127.0.0.0/8"]))


@pytest.mark.parametrize("port", [22, 2375, 2376, 5432, 6379, 11211, 3306])
def test_dangerous_ports_are_refused_unless_listed_with_their_network(port: int) -> None:
    with pytest.raises(NotAllowed, match=f"10.0.0.5/32:{port}"):
        check_address(canonical("10.0.0.5"), port, EVERYWHERE)
    listed = parse_allowances(["private", f"10.0.0.5/32:{port}"])
    check_address(canonical("10.0.0.5"), port, listed)
    with pytest.raises(NotAllowed):
        check_address(canonical("10.0.0.6"), port, listed)


def test_an_entry_for_one_port_opens_no_other() -> None:
    only = parse_allowances(["127.0.0.1/32:9000"])
    check_address(canonical("127.0.0.1"), 9000, only)
    with pytest.raises(NotAllowed):
        check_address(canonical("127.0.0.1"), 9001, only)


@pytest.mark.parametrize("entry", ["[fd00::/8]:2375", "fd00::/8", "10.0.0.0/8", "10.0.0.5"])
def test_networks_are_read_in_both_families(entry: str) -> None:
    assert parse_allowances([entry])[0].special


@pytest.mark.parametrize("entry", ["", "everything", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/8:x", "::1::"])
def test_an_entry_that_says_nothing_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        parse_allowances([entry])


@pytest.mark.parametrize(
    "url",
    [
        "ftp://10.0.0.1/", "file:///etc/passwd", "gopher://10.0.0.1/", "http://", "http:///x", "//10.0.0.1/",
        "http://a:b@10.0.0.1/", "http://10.0.0.1@evil.example/", "http://10.0.0.1/#x", "http://10.0.0.1:0/",
        "http://10.0.0.1:99999/", "http://10.0.0.1 /", "http://10.0.0.1\\@8.8.8.8/", "http://10.0.0.1/\r\nX: 1",
        "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://127.0.0.1/", "http://0.0.0.0/", "http://bücher.lan/",
        "http://-x.lan/", "http://" + "a" * 2100, "http://[fe80::1%25eth0]/", "javascript:alert(1)", "http://[::1",
    ],
)  # fmt: skip
def test_addresses_that_cannot_be_right_are_refused_on_save(url: str) -> None:
    with pytest.raises(NotAllowed):
        check_url(url, PRIVATE)


@pytest.mark.parametrize("url", ["http://10.0.0.7:18789/hooks/wake", "https://agent.lan/x?y=1", "http://[fd00::5]:80/"])
def test_addresses_that_may_be_right_pass(url: str) -> None:
    check_url(url, PRIVATE)


@given(st.ip_addresses())
def test_no_address_gets_past_by_its_spelling(address: guard.Address) -> None:
    """Whatever `private` lets through is private, also when it is IPv4 inside IPv6."""
    try:
        check_address(canonical(str(address)), 80, PRIVATE)
    except NotAllowed:
        return
    found = canonical(str(address))
    assert found.is_private and not (found.is_loopback or found.is_link_local or found.is_multicast)
