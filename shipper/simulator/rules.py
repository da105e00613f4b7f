"""What the scanners of a simulated organization find: code, secrets, vulnerable packages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Rule:
    """Something a scanner looks for. `severity` and `security_severity` are as in GitHub's alerts."""

    id: str
    description: str
    tool: str = ""
    severity: str | None = None
    security_severity: str | None = None
    package: str = ""
    tags: tuple[str, ...] = ()


CODE_SCANNING: Final = (
    Rule("py/sql-injection", "SQL query built from user-controlled sources", "CodeQL", "error", "critical",
         tags=("security", "external/cwe/cwe-089")),
    Rule("js/xss", "Client-side cross-site scripting", "CodeQL", "error", "high",
         tags=("security", "external/cwe/cwe-079")),
    Rule("python.flask.debug-enabled", "Flask debugger is on", "Semgrep OSS", "warning", "critical",
         tags=("security",)),
    Rule("js/unused-local-variable", "Unused variable", "CodeQL", "note", tags=("maintainability",)),
    Rule("go/path-injection", "Uncontrolled data used in path expression", "CodeQL", "error", "medium",
         tags=("security", "external/cwe/cwe-022")),
    Rule("TRIVY-AVD-1", "Container runs as root", "Trivy", "error"),
    Rule("py/clear-text-logging", "Clear-text logging of sensitive information", "CodeQL", "warning", "low",
         tags=("security",)),
)  # fmt: skip

SECRET_SCANNING: Final = (
    Rule("lantern_api_key", "Lantern API Key"),
    Rule("postgres_connection_string", "Postgres Connection String"),
    Rule("rsa_private_key", "RSA Private Key"),
)

DEPENDABOT: Final = (
    Rule("GHSA-aaaa-bbbb-c001", "Denial of service in tidy-parser", severity="high", package="tidy-parser"),
    Rule("GHSA-aaaa-bbbb-c002", "Path traversal in unzip-kit", severity="critical", package="unzip-kit"),
    Rule("GHSA-aaaa-bbbb-c003", "Log injection in quill-log", severity="low", package="quill-log"),
)

RULES: Final[Mapping[str, tuple[Rule, ...]]] = {
    "code_scanning": CODE_SCANNING,
    "secret_scanning": SECRET_SCANNING,
    "dependabot": DEPENDABOT,
}
