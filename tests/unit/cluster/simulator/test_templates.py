from __future__ import annotations

import pytest

from cluster.simulator.docker.templates import TemplateError, render

DATA = {
    "Name": "/box",
    "State": {"Running": True, "ExitCode": 0, "Health": None},
    "Config": {"Labels": {"b": "2", "a": "1"}, "Env": ["A=1", "B=2"]},
    "Mounts": [{"Source": "/s", "Destination": "/d"}],
    "Ports": {},
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{.Name}}", "/box"),
        ("{{ .State.Running }} {{.State.ExitCode}}", "true 0"),
        ("{{json .Config.Labels}}", '{"b":"2","a":"1"}'),
        ("{{.Config.Labels}}", "map[a:1 b:2]"),
        ("{{.Config.Env}}", "[A=1 B=2]"),
        ("{{.State.Health}}", "<nil>"),
        ("{{.Nothing}}", "<no value>"),
        ('{{index .Config.Labels "a"}}', "1"),
        ('{{index .Config.Labels "zzz"}}', ""),
        ("{{range .Config.Env}}{{println .}}{{end}}", "A=1\nB=2\n"),
        ("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}", "a=1;b=2;"),
        ("{{range .Mounts}}{{.Source}}->{{.Destination}}{{end}}", "/s->/d"),
        ("{{range .Ports}}x{{else}}none{{end}}", "none"),
        ("{{if .State.Running}}up{{else}}down{{end}}", "up"),
        ("{{if .State.Health}}h{{else if .Ports}}p{{else}}-{{end}}", "-"),
        ("{{with .State}}{{.ExitCode}}{{end}}", "0"),
        ('{{if eq .State.ExitCode 0}}fine{{end}}{{join .Config.Env ","}}', "fineA=1,B=2"),
        ("{{len .Config.Env}}{{.Name | upper}}", "2/BOX"),
        ('{{printf "%s-%d" .Name (len .Mounts)}}', "/box-1"),
        ("a\\t{{- .Name -}}  b", "a/boxb"),
        ("{{$.Name}}{{/* a note */}}", "/box"),
    ],
)
def test_it_fills_what_people_ask_docker_for(template: str, text: str) -> None:
    assert render(template, DATA) == text


@pytest.mark.parametrize("template", ["{{if .A}}x", "{{end}}", "{{nonsense .A}}", "{{.Name.Deeper}}"])
def test_it_refuses_what_it_cannot_read(template: str) -> None:
    with pytest.raises(TemplateError):
        render(template, DATA)
