"""Polls the audit log and the security alerts of GitHub organizations and enterprises.

Every event is taken once: late ones up to `overlap`, those with equal times, those that turn up while a page is
read. What was taken is remembered in the storage, in the transaction that stores it. Works with github.com, data
residency (`ghe.com`) and Enterprise Server. Organizations are independent: one that fails holds nobody else.

Example:
    receivers:
      github:
        organizations: [acme-corp]
        auth: {token_file: /run/secrets/github-token}
        streams: {secret_scanning: {states: [open, resolved]}}
"""

from shipper.core.component import Component
from shipper.receivers.github.config import Config, check
from shipper.receivers.github.receiver import GitHub

__all__ = ["Config", "GitHub", "component"]

component = Component(kind="receiver", config=Config, build=GitHub, check=check)
