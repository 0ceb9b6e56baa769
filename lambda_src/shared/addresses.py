"""Addresses that people write into a secret: whether a key may be sent there."""

import ipaddress

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

_LOOPBACK = frozenset({"127.0.0.1", "[::1]", "localhost"})


def url_fault(url: str) -> str | None:
    """Why no key is sent there: it could be read on the way, or by a service that is none of the payment API's."""
    try:
        parsed = parse_url(url)  # what connects must be what was checked: urllib3's own reading of the address
    except LocationParseError:
        return "is no address"
    if not parsed.host or parsed.scheme not in {"http", "https"}:
        return "does not begin with https:// and a host"
    if parsed.auth is not None:
        return "has a user name in it"
    if parsed.scheme == "http" and parsed.host not in _LOOPBACK:
        return "is http, which is for this machine only (127.0.0.1, [::1], localhost)"
    return "is an address of the machine's own network, where credentials are handed out" if _is_link_local(parsed) else None


def _is_link_local(url: Url) -> bool:
    try:
        return ipaddress.ip_address((url.host or "").strip("[]")).is_link_local
    except ValueError:
        return False
