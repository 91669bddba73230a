"""REDIS_URL means what it says, and never shows its password."""

import pytest

from sparkcontrol.env import BadEnvironment
from sparkcontrol.redis_url import broker_from


def test_it_is_the_brokers_address() -> None:
    broker = broker_from("redis://:p%40ss@redis.lan:6380/3")
    assert broker.url == "redis://:p%40ss@redis.lan:6380/3"
    assert broker.ssl is None
    assert broker.options["visibility_timeout"] == 7200
    assert broker.options["socket_connect_timeout"] == 5


def test_tls_checks_the_certificate() -> None:
    assert broker_from("rediss://redis.lan").ssl == {"ssl_cert_reqs": "required"}


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock?virtual_host=0"),
        ("unix:///run/redis.sock?db=2", "redis+socket:///run/redis.sock?virtual_host=2"),
        ("unix:///run/redis.sock?password=a/b", "redis+socket://:a%2Fb@/run/redis.sock?virtual_host=0"),
    ],
)
def test_it_takes_a_unix_socket(url: str, broker: str) -> None:
    found = broker_from(url)
    assert found.url == broker
    assert "socket_keepalive" not in found.options  # a Unix socket knows none


@pytest.mark.parametrize(
    "url",
    [
        "http://u:hunter2@h",
        "redis://",
        "redis://:hunter2@h:x",
        "redis://:hunter2@h/name",
        "unix://",
        "redis-host",
    ],
)
def test_it_refuses_what_it_cannot_use_without_telling_the_password(url: str) -> None:
    with pytest.raises(BadEnvironment, match="REDIS_URL") as refused:
        broker_from(url)
    assert "hunter2" not in str(refused.value)
