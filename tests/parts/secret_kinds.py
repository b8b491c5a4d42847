"""Kinds of secrets that detect-secrets does not know: those that Doorward gives out and takes."""
import re

from detect_secrets.plugins.base import RegexBasedDetector


class DoorwardSecret(RegexBasedDetector):
    secret_type = "API key, client secret or SCIM token"
    denylist = [re.compile(r"\bdw_[A-Za-z0-9]{16}_[A-Za-z0-9]{16,}"), re.compile(r"\b(?:dws|dwscim)_[A-Za-z0-9_]{16,}")]


class Credentials(RegexBasedDetector):
    secret_type = "credentials of a request"
    denylist = [
        re.compile(r"(?i)\bauthorization[\"']?: *[\"']?(?:bearer|basic|splunk) +[A-Za-z0-9._~+/=-]{8,}"),
        re.compile(r"__Host-doorward[a-z-]*=[A-Za-z0-9._-]{16,}"),
    ]


class SamlMessage(RegexBasedDetector):
    secret_type = "SAML message"
    # `<Assertion`, `<saml`, and what they are in base64.
    denylist = [re.compile(r"<(?:[A-Za-z0-9]+:)?(?:Assertion|Response)[ >]"), re.compile(r"PHNhbW|PEFzc2VydGlvbi|PFJlc3BvbnNl")]
