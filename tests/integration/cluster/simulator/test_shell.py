"""The SSH front: what a command sees, and how it ends."""

from __future__ import annotations

import json
import time

import paramiko
import pytest

from tests.integration.cluster.simulator.spark_client import Simulator, wait_until


def test_it_announces_every_spark_and_writes_the_same_to_a_file(sparks: Simulator) -> None:
    assert sparks.ready["ready"] is True
    assert [s["name"] for s in sparks.sparks] == ["spark-1", "spark-2"]
    assert [s["fabric_ip"] for s in sparks.sparks] == ["192.168.177.11", "192.168.177.12"]
    assert json.loads((sparks.root / "topology.json").read_text()) == sparks.ready


def test_it_runs_real_bash_in_the_home_folder(sparks: Simulator) -> None:
    result = sparks.run(1, 'echo "${BASH_VERSION%%.*}"; pwd; echo $HOME; a=(x y); echo ${a[1]} >&2; exit 7')
    home = sparks.spark(1)["home"]
    assert result.out.splitlines()[1:] == [home, home]
    assert (result.err, result.code) == ("y\n", 7)


def test_it_passes_stdin_through(sparks: Simulator) -> None:
    assert sparks.run(1, "read -r secret; echo got ${#secret}", stdin="hunter2\n").out == "got 7\n"


def test_it_looks_like_a_spark(sparks: Simulator) -> None:
    out = sparks.run(1, "hostname; uname -m; nvidia-smi --query-gpu=name,memory.used --format=csv,noheader").out
    assert out.splitlines() == ["spark-1", "aarch64", "NVIDIA GB10, [N/A]"]
    assert "DGX Spark" in sparks.run(1, "cat /etc/dgx-release").out
    assert sparks.run(1, "cat /proc/meminfo | grep MemTotal").out.split()[1] == str(round(119.7 * 1024 * 1024))
    assert sparks.run(1, "df -B1 --output=avail ~").code == 0
    zones = sparks.run(1, "cat /sys/class/thermal/thermal_zone*/temp").out.split()
    assert zones and all(30000 < int(zone) < 95000 for zone in zones)


def test_each_spark_has_its_own_boot_id(sparks: Simulator) -> None:
    ids = [sparks.run(n, "cat /proc/sys/kernel/random/boot_id").out for n in (1, 2)]
    assert len(ids[0]) == 37 and ids[0] != ids[1]


def test_a_command_outlives_a_dropped_connection(sparks: Simulator) -> None:
    with sparks.connection(1) as client:
        client.exec_command("sleep 0.5; touch survived")
        time.sleep(0.1)
    wait_until((sparks.folder(1) / "home" / "survived").exists)


def test_a_command_on_a_terminal_is_hung_up_with_the_connection(sparks: Simulator) -> None:
    with sparks.connection(1) as client:
        _, out, _ = client.exec_command("echo started; sleep 3; touch hung-up", get_pty=True)
        assert out.readline().strip() == "started"
    assert wait_until(lambda: not sparks.run(1, "pgrep -f 'touch hung-u[p]'").out)
    assert not (sparks.folder(1) / "home" / "hung-up").exists()


def test_an_unknown_user_or_key_is_refused(sparks: Simulator) -> None:
    with pytest.raises(paramiko.AuthenticationException), sparks.connection(1, user="root"):
        pass


def test_a_key_added_to_authorized_keys_works_at_once(sparks: Simulator) -> None:
    key = paramiko.RSAKey.generate(2048)
    spark = sparks.spark(1)
    keys = sparks.folder(1) / "home" / ".ssh" / "authorized_keys"
    keys.write_text(f"ssh-rsa {key.get_base64()}\n")
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect(spark["host"], spark["port"], "spark", pkey=key, allow_agent=False, look_for_keys=False, timeout=5)
    client.close()
    keys.unlink()


def test_an_eleventh_session_on_one_connection_is_refused(sparks: Simulator) -> None:
    with sparks.connection(1) as client:
        for _ in range(10):
            client.exec_command("sleep 5")
        with pytest.raises(paramiko.ChannelException):
            client.exec_command("true")


def test_sparks_reach_each_other_by_every_name(sparks: Simulator) -> None:
    for name in ("192.168.177.12", "spark-2", "spark-2.local", sparks.spark(2)["host"], "spark@192.168.177.12"):
        result = sparks.run(1, f"ssh -o BatchMode=yes -o ConnectTimeout=5 {name} hostname '&&' pwd")
        assert result.out.splitlines() == ["spark-2", sparks.spark(2)["home"]], name


def test_ssh_passes_stdin_exit_status_and_odd_words(sparks: Simulator) -> None:
    assert sparks.run(1, "echo body | ssh spark-2 'cat; exit 9'").code == 9
    assert sparks.run(1, """ssh spark-2 echo '"$USER"' "'a  b'" """).out == "spark a  b\n"


def test_ssh_to_a_stranger_ends_with_255(sparks: Simulator) -> None:
    result = sparks.run(1, "ssh nobody.example true")
    assert result.code == 255 and "Could not resolve hostname nobody.example" in result.err


def test_scp_copies_to_the_other_home(sparks: Simulator) -> None:
    sparks.run(1, "mkdir -p d && echo hello > d/f && scp -r d spark-2:copied && scp d/f 192.168.177.12:")
    assert sparks.run(2, "cat copied/f f").out == "hello\nhello\n"


def test_ports_of_the_other_spark_are_not_listed(sparks: Simulator) -> None:
    assert "2222" in sparks.run(1, "ss -ltn").out
    assert sparks.run(1, "ss -Hltn 'sport = :8888'").out == ""


def test_the_machine_below_is_out_of_reach(sparks: Simulator) -> None:
    assert sparks.run(1, "sudo -n true").code == 1
    assert sparks.run(1, "reboot").err == "reboot: not simulated\n"
