"""Where the crawler may connect: a name is resolved once, its addresses are checked, and the connection goes to a
checked address. As every connection passes here, a redirect or a name that changes its answer leads nowhere else.
"""

from __future__ import annotations

import asyncio
import fnmatch
import ipaddress
import socket
from collections.abc import Iterable, Mapping
from typing import Any

import httpcore


class RefusedAddressError(OSError):
    """A host has an address that is not on the public network."""


NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public network: not private, loopback, link-local, multicast, reserved;
    an IPv4 address within an IPv6 one (mapped, 6to4, Teredo, NAT64) is judged itself."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if ip in NAT64:
            inner.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
        within = [each for each in inner if each is not None]
        if within:
            return all(is_public(str(each)) for each in within)
    return ip.is_global and not ip.is_multicast


class Resolver:
    """Names to checked addresses. `given` maps a host (or a pattern such as `*.example`) to `ADDRESS:PORT`, which
    the user vouches for, as curl's --connect-to does."""

    def __init__(self, allow_private: bool = False, given: Mapping[str, str] | None = None) -> None:
        self.allow_private = allow_private
        self.given = dict(given or {})
        self.addresses: dict[str, str] = {}
        """What each host was found to be, for WARC-IP-Address."""

    async def resolve(self, host: str, port: int) -> tuple[str, int]:
        """Address and port to connect to. RefusedAddressError if any of the host's addresses is not public; OSError if
        it has none. One answer for one host, however often it is asked."""
        for pattern, target in self.given.items():
            if fnmatch.fnmatchcase(host.lower(), pattern):
                address, _, other = target.rpartition(":")
                self.addresses[host] = address
                return address, int(other)
        if host not in self.addresses:
            found = await self.lookup(host, port)
            if not found:
                raise OSError(f"{host}: has no address")
            private = [address for address in found if not is_public(address)]
            if private and not self.allow_private:
                raise RefusedAddressError(f"{host}: {private[0]} is not a public address (--allow-private allows it)")
            self.addresses[host] = found[0]
        return self.addresses[host], port

    async def lookup(self, host: str, port: int) -> list[str]:
        """The addresses that the system knows, IPv4 first; odd spellings (0x7f.1, 2130706433) come out as what the
        system would connect to."""
        loop = asyncio.get_running_loop()
        answers = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [str(answer[4][0]) for answer in sorted(answers, key=lambda answer: answer[0] != socket.AF_INET)]


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to what the resolver allows. TLS still checks the certificate against the host's name."""

    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        address, real_port = await asyncio.wait_for(self.resolver.resolve(host, port), timeout)
        return await self._network.connect_tcp(address, real_port, timeout, local_address, socket_options)

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise RefusedAddressError(f"{path}: a crawler opens no local sockets")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
