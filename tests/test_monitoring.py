"""The board, the rules and the alerts by themselves; `tests/dags/test_metrics.py` runs them on metrics of real runs."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

import monitoring
from deployment import ROOT, Deployment, listening_ports

DOCUMENT = (ROOT / "dags" / "README.md").read_text()
ALERTS = [rule for rule in monitoring.rules() if "alert" in rule]


def promtool(*arguments: str) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("no promtool here (Debian's package `prometheus` has it): the rules were not evaluated")
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_accepts_its_configuration_and_the_rules():
    promtool("check", "config", str(monitoring.FOLDER / "prometheus.yml"))


@pytest.mark.nightly
def test_the_rules_give_the_expected_values_and_alerts():
    """Over days: a new kind of failure, a restart of the exporter, a run that fails, days without a run."""
    promtool("test", "rules", str(Path(__file__).with_name("monitoring_rules.yml")))


def test_each_rule_has_a_case_for_promtool():
    cases = (Path(__file__).with_name("monitoring_rules.yml")).read_text()
    names = [rule.get("record") or f"alertname: {rule['alert']}" for rule in monitoring.rules()]
    assert [name for name in names if name not in cases] == []


def test_the_servers_that_prometheus_reads_listen_where_it_asks():
    services = Deployment.of_the_repository().services
    configuration = yaml.safe_load((monitoring.FOLDER / "prometheus.yml").read_text())
    asked = set()
    for job in configuration["scrape_configs"]:
        for static in job.get("static_configs", ()):
            asked |= {tuple(target.split(":")) for target in static["targets"]}
        for names in job.get("dns_sd_configs", ()):
            asked |= {(name, str(names["port"])) for name in names["names"]}
    assert asked
    for name, port in asked:
        assert int(port) in listening_ports(services[name]), name


def test_grafana_asks_the_prometheus_of_the_deployment():
    (source,) = yaml.safe_load((monitoring.FOLDER / "grafana" / "datasources" / "prometheus.yml").read_text())[
        "datasources"
    ]
    name, port = source["url"].removeprefix("http://").split(":")
    services = Deployment.of_the_repository().services
    assert int(port) in listening_ports(services[name])
    panels = monitoring.board()["panels"]
    asked = {target["datasource"]["uid"] for panel in panels for target in panel.get("targets", ())}
    assert asked == {source["uid"]}
    mounted = [volume.split(":")[:2] for volume in services["grafana"]["volumes"]]
    (provider,) = yaml.safe_load((monitoring.FOLDER / "grafana" / "dashboards" / "provider.yml").read_text())[
        "providers"
    ]
    inside = provider["options"]["path"].replace("/etc/grafana/provisioning", "./.monitoring/grafana")
    assert ["./.monitoring/grafana", "/etc/grafana/provisioning"] in mounted and (ROOT / inside).is_dir()
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/ingestion.json"


def test_the_panels_of_the_board_are_complete_and_do_not_overlap():
    panels = monitoring.board()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
        assert panel["title"] and (panel["type"] == "row" or panel["targets"])


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_the_runbook_says_what_to_do_about_each_alert(alert):
    assert re.search(rf"^\| `{alert['alert']}`", DOCUMENT, re.M)


def test_recorded_metrics_that_a_query_reads_are_recorded():
    recorded = {query.record for query in monitoring.queries()}
    read = {name for query in monitoring.queries() for name, _ in query.needs() if ":" in name}
    assert read and read <= recorded
