"""Who acts in a simulated organization, and on what: made-up accounts, repositories and places."""

import base64
import random
from dataclasses import dataclass
from functools import cached_property
from typing import Final

_ADJECTIVES: Final = (
    "amber",
    "brisk",
    "calm",
    "dapper",
    "early",
    "frosty",
    "gentle",
    "hazel",
    "ivory",
    "jolly",
    "keen",
)
_NOUNS: Final = (
    "badger",
    "crane",
    "dormouse",
    "egret",
    "ferret",
    "gannet",
    "heron",
    "ibex",
    "jackdaw",
    "kestrel",
    "lynx",
)
_REPOSITORIES: Final = (
    "billing", "storefront", "ledger", "mobile-app", "infrastructure", "design-system", "search", "docs",
    "handbook", "data-pipeline", "gateway", "website",
)  # fmt: skip
_BOTS: Final = ("release-train[bot]", "dependency-steward[bot]")

BROWSER: Final = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
)
GIT: Final = "git/2.51.0"
COUNTRIES: Final = ("DE", "FR", "IN", "JP", "NL", "US")


@dataclass(frozen=True, slots=True)
class Account:
    """A user or a bot."""

    login: str
    id: int
    bot: bool = False


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository of an organization."""

    owner: str
    name: str
    id: int
    public: bool

    @property
    def full_name(self) -> str:
        """`owner/name`."""
        return f"{self.owner}/{self.name}"


@dataclass(frozen=True)
class Cast:
    """An organization (or enterprise), its people and repositories: the same for the same seed and login."""

    login: str
    seed: int
    business: str
    number: int
    """Which one it is in this simulator; part of every event's number."""

    @cached_property
    def id(self) -> int:
        """Its numeric id."""
        return self._random("id").randrange(10_000_000, 200_000_000)

    @cached_property
    def business_id(self) -> int:
        """The enterprise's numeric id."""
        return numeric_id(self.seed, self.business)

    @cached_property
    def accounts(self) -> tuple[Account, ...]:
        """Its people and bots."""
        rng = self._random("accounts")
        logins = rng.sample([f"{adjective}-{noun}" for adjective in _ADJECTIVES for noun in _NOUNS], 12)
        people = [Account(login, rng.randrange(1_000_000, 99_000_000)) for login in logins]
        return tuple(people + [Account(login, rng.randrange(1_000_000, 99_000_000), bot=True) for login in _BOTS])

    @cached_property
    def repositories(self) -> tuple[Repository, ...]:
        """What it owns; every third one is public."""
        rng = self._random("repositories")
        return tuple(
            Repository(self.login, name, rng.randrange(100_000_000, 990_000_000), place % 3 == 2)
            for place, name in enumerate(_REPOSITORIES)
        )

    def _random(self, what: str) -> random.Random:
        return random.Random(f"{self.seed}/{self.login.lower()}/{what}")  # noqa: S311 - reproducible on purpose


def numeric_id(seed: int, slug: str) -> int:
    """An enterprise's numeric id."""
    return random.Random(f"{seed}/{slug.lower()}/business").randrange(1_000, 400_000)  # noqa: S311 - as above


def token_of(rng: random.Random, size: int) -> str:
    """So many random bytes as GitHub writes them."""
    return base64.urlsafe_b64encode(rng.randbytes(size)).decode().rstrip("=")
