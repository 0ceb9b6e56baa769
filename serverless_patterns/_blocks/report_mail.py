"""Who gets a mail of a report, and what of SES the function may use for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Stack, Token
from aws_cdk import aws_iam as iam

from serverless_patterns._blocks.checks import check, check_texts, check_type

#: The recipients of a mail: https://docs.aws.amazon.com/ses/latest/dg/quotas.html
MOST_RECIPIENTS = 50

_CONFIGURATION_SET = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ADDRESS = re.compile(r"(?=.{3,254}$)[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*")


@dataclass(frozen=True, kw_only=True)
class ReportMail:
    """A mail for each report, by SES, with links to the files.

    SES asks IAM for each of its own resources that a mail uses; the function may use those that are named here:

    - the domain of the sender is verified: nothing more to say;
    - the address is, alone or beside its domain (SES takes the more exact one): ``identity`` is the address;
    - the identity has a default configuration set, or mails should use one: ``configuration_set``;
    - the account is in SES's sandbox, where recipients are verified and asked for too: ``recipient_identities``.

    https://docs.aws.amazon.com/ses/latest/dg/control-user-access.html

    Args:
        sender: The address that it comes from, verified in SES by itself or by its domain.
        recipients: Who gets it, 1 to 50 addresses: as many as 4 KB of environment variables have room for; else use the topic.
        identity: What is verified: the address itself, or its domain. Default: the domain.
            https://docs.aws.amazon.com/ses/latest/dg/creating-identities.html
        configuration_set: The name of the configuration set to send with. Default: none is named.
        recipient_identities: By what the recipients are verified: their addresses, or domains. Default: none, as an account
            out of the sandbox needs. https://docs.aws.amazon.com/ses/latest/dg/request-production-access.html

    Raises:
        PatternError: An address is not well formed.
    """

    sender: str
    recipients: Sequence[str]
    identity: str | None = None
    configuration_set: str | None = None
    recipient_identities: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Check the addresses, and what is verified."""
        self._check_addresses()
        check(
            _verifies(self.identity_or_default, self.sender),
            f"identity must be the sender or its domain, got {self.identity!r}",
        )
        check_texts("recipient_identities", self.recipient_identities)
        for identity in self.recipient_identities:
            fits = any(_verifies(identity, address) for address in self.recipients)
            check(fits, f"recipient_identities must be recipients or their domains, got {identity!r}")
        name = self.configuration_set
        check_type("configuration_set", name, str, "the name of a configuration set", optional=True)
        plain = name is None or Token.is_unresolved(name) or _CONFIGURATION_SET.fullmatch(name)
        check(plain, f"configuration_set must be 1 to 64 letters, digits, - or _, got {name!r}")

    def _check_addresses(self) -> None:
        check_texts("recipients", self.recipients)
        within = 1 <= len(self.recipients) <= MOST_RECIPIENTS
        check(
            within, f"recipients must be 1 to {MOST_RECIPIENTS} addresses, got {len(self.recipients)}: use the topic for more"
        )
        for name, address in (("sender", self.sender), *(("recipients", each) for each in self.recipients)):
            check_type(name, address, str, "an address like reports@example.com")
            plain = not Token.is_unresolved(address) and _ADDRESS.fullmatch(address)
            check(plain, f"{name} must be an address like reports@example.com, without a name or brackets, got {address!r}")

    @property
    def identity_or_default(self) -> str:
        """What is verified."""
        return self.sender.rpartition("@")[2] if self.identity is None else self.identity

    @property
    def settings(self) -> dict[str, str]:
        """The environment variables from which the bundled handler knows it."""
        found = {"MAIL_FROM": self.sender, "MAIL_TO": ",".join(self.recipients)}
        return found | ({} if self.configuration_set is None else {"MAIL_CONFIGURATION_SET": self.configuration_set})

    def grant_send(self, grantee: iam.IGrantable, stack: Stack) -> None:
        """Let a principal send mail from this address alone.

        https://docs.aws.amazon.com/ses/latest/dg/control-user-access.html
        """
        used = [("identity", name) for name in dict.fromkeys([self.identity_or_default, *self.recipient_identities])]
        if self.configuration_set is not None:
            used.append(("configuration-set", self.configuration_set))
        grantee.grant_principal.add_to_principal_policy(
            iam.PolicyStatement(
                actions=["ses:SendEmail"],
                resources=[stack.format_arn(service="ses", resource=kind, resource_name=name) for kind, name in used],
                conditions={"StringEquals": {"ses:FromAddress": self.sender}},
            )
        )


def _verifies(identity: object, address: str) -> bool:
    """Whether SES takes an address for verified by this identity: itself, its domain, or a domain above that."""
    domain = address.rpartition("@")[2]
    return isinstance(identity, str) and bool(identity) and (identity in {address, domain} or domain.endswith(f".{identity}"))
