"""The TLS context of the connection."""

from __future__ import annotations

import ssl

from alicia_scheduler.adapters.mqtt.options import TlsOptions
from alicia_scheduler.errors import ConfigurationError


def tls_context(options: TlsOptions) -> ssl.SSLContext:
    """A client context that verifies the broker's name and certificate unless told not to.

    Raises:
        ConfigurationError: A file is missing or is not what it should be.
    """
    try:
        context = ssl.create_default_context(cafile=options.ca_file)
        if options.cert_file:
            context.load_cert_chain(options.cert_file, options.key_file)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(name for name in (options.ca_file, options.cert_file, options.key_file) if name)
        raise ConfigurationError(f"mqtt.tls: the certificate files ({files}) cannot be used: {error}") from error
    if options.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
