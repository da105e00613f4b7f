"""What a connection that failed means for an operator: the one place where the system's errors are translated."""

import asyncio
import contextlib
import errno
import re
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Final

from shipper.core.errors import ConfigError, Unavailable

_OURS: Final[dict[int | None, str]] = {
    errno.ECONNREFUSED: "nothing listens at {address}; is the server running, and the port right?",
    errno.ENOENT: "there is no socket at {address}; is the server running?",
    errno.EACCES: "no permission to connect to {address}; give this user the permission",
    errno.ECONNRESET: "{address} broke the connection off",
    errno.EPIPE: "{address} broke the connection off",
}
_NUMBERS: Final = re.compile(r"\[Errno (\d{1,4})\]")
_CERTIFICATE: Final = "it may want a client certificate that it trusts (tls.cert_file, tls.key_file)"

#: OpenSSL's numbers of what is wrong with a certificate (X509_V_ERR_…).
_OTHER_NAME: Final = (62, 64)
_OUT_OF_TIME: Final = {
    9: "is not valid yet; set the clock of this machine, or have a new one made",
    10: "has expired; renew it at the server",
}


class HungUp(Exception):
    """The peer ended the connection in order."""


@contextlib.asynccontextmanager
async def explained(address: str, seconds: float) -> AsyncIterator[None]:
    """One attempt in the time allowed; what goes wrong with the connection is said in our terms.

    Raises:
        Unavailable: the connection failed, or the time was over.
    """
    try:
        async with asyncio.timeout(seconds) as attempt:
            yield
    except TimeoutError as fault:
        if attempt.expired():
            raise Unavailable(f"{address} did not take everything within {seconds:g}s") from fault
        raise unavailable(fault, address) from fault
    except (OSError, HungUp, ConfigError) as fault:
        raise unavailable(fault, address) from fault


def unavailable(fault: Exception, address: str) -> Unavailable:
    """The fault as `Unavailable`, blocked where waiting alone will not mend it."""
    blocked = isinstance(fault, (ConfigError, ssl.SSLError))
    match fault:
        case ConfigError():
            reason = f"the TLS files can't be used: {fault}"
        case ssl.SSLCertVerificationError():
            reason = distrust(fault, address)
        case ssl.SSLError():
            reason = _tls_refusal(fault, address)
        case socket.gaierror():
            reason = f"the name in {address} can't be resolved ({fault.strerror}); check its spelling, and DNS"
        case OSError():
            text = _OURS.get(_number(fault), "{address} can't be reached ({reason})")
            reason = text.format(
                address=address, reason=fault.strerror or str(fault) or "the connection broke off"
            )
        case HungUp():
            reason = f"{address} {fault}" + (f"; {_CERTIFICATE}" if "TLS" in str(fault) else "")
        case _:
            reason = f"{address}: {fault}"
    return Unavailable(reason, blocked=blocked)


def _number(fault: OSError) -> int | None:
    """The system's number. Of several addresses asyncio only writes it: the first that we have words for."""
    if fault.errno is not None:
        return fault.errno
    return next((number for number in map(int, _NUMBERS.findall(str(fault))) if number in _OURS), None)


def distrust(fault: Exception, address: str) -> str:
    """What is wrong with the other side's certificate, and what to do about it."""
    code = getattr(fault, "verify_code", 0)
    if code in _OTHER_NAME:
        said = str(getattr(fault, "verify_message", "")).rpartition("not valid for ")[2].strip("'.")
        cure = "set tls.server_name_override to a name that it is for, or correct the address"
        return f"the certificate of {address} is for another name than {said}; {cure}"
    if code in _OUT_OF_TIME:
        return f"the certificate of {address} {_OUT_OF_TIME[code]}"
    said = f" ({fault.verify_message})" if isinstance(fault, ssl.SSLCertVerificationError) else ""
    return f"the certificate of {address} is not trusted{said}; name its authority in tls.ca_file"


def _tls_refusal(fault: ssl.SSLError, address: str) -> str:
    reason = (fault.reason or str(fault)).replace("_", " ").lower()
    if "alert" in reason:
        return f"{address} refused us in TLS ({reason}); {_CERTIFICATE}"
    return f"no TLS with {address} ({reason}); does the port speak TLS?"
