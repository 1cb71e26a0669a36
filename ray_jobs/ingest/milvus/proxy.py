"""Tells whether gRPC reaches a server through a proxy of the environment, of which its errors say nothing."""

from __future__ import annotations

import ipaddress
import os

from ingest.common.loopback import is_loopback

PROXY_VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy")
"""Environment variables of a proxy in the order in which gRPC reads them, for any scheme and only in small letters."""

EXCEPTION_VARIABLES = ("no_grpc_proxy", "no_proxy")
"""Environment variables of hosts without a proxy, of which gRPC reads the first one that is set."""


def proxy_variable(host: str) -> str:
    """The environment variable of the proxy through which gRPC reaches a host; "" for none."""
    used = next((name for name in PROXY_VARIABLES if os.environ.get(name)), "")
    exceptions = next((value for name in EXCEPTION_VARIABLES if (value := os.environ.get(name))), "")
    endings = [ending.strip().lower() for ending in exceptions.split(",")]
    is_excepted = any(ending and host.lower().endswith(ending) for ending in endings) or _in_networks(host, endings)
    return "" if is_loopback(host) or is_excepted else used


def _in_networks(host: str, networks: list[str]) -> bool:
    try:
        address = ipaddress.ip_address(host)
        return any(address in ipaddress.ip_network(network, strict=False) for network in networks if "/" in network)
    except ValueError:
        return False
