"""What the integration and e2e suites run against, what each target lacks, and how a stack is brought up on it.

`--target ministack` is the default, `--target localstack` is LocalStack without Docker, and `--target URL` is an
AWS-compatible endpoint that runs already. There is one set of tests. A test that asks for more than every target can do
names it (`@pytest.mark.needs("iam")`), and is skipped where that is lacking, with the reason from here. The table in
docs/guide/local.md says the same to users, and a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidemill_cli.local.lifecycle import LocalStack, Up

#: What not every target can do, as a test asks for it and as the table calls it.
FEATURES: Mapping[str, str] = MappingProxyType(
    {
        "iam": "a function may do what its role allows and nothing else",
        "kept_data": "data, runs and models outlive `tidemill down`",
        "own_emulator": "`tidemill up` starts it, `tidemill down` stops it",
        "own_processes": "functions are processes of this machine",
    }
)


@dataclass(frozen=True)
class Target:
    """Where the stack is.

    Attributes
    ----------
    name
        `ministack`, `localstack` or a URL
    lacks
        what it cannot do, a key of FEATURES, and why
    """

    name: str
    lacks: Mapping[str, str] = field(default_factory=dict)

    @property
    def endpoint(self) -> str | None:
        """The address of what runs already, None when an emulator is started."""
        return self.name if "://" in self.name else None

    def up(self, local: LocalStack, say: Callable[[str], None]) -> Up:
        """Bring a stack up here: on an emulator of its own at a free port, or at the address."""
        from tidemill_cli.local.process import free_port

        if self.endpoint is not None:
            return local.up(say, endpoint=self.endpoint)
        port = None if local.emulator.pid() else free_port()
        return local.up(say, port=port, enforce_iam="iam" not in self.lacks, emulator=self.name)

    def why_not(self, needed: Sequence[str]) -> str | None:
        """Why a test that needs these cannot run here, None when it can. Raises KeyError for what is no feature."""
        for name in needed:
            FEATURES[name]
        reasons = [f"{self.name} lacks {name!r}: {self.lacks[name]}" for name in needed if name in self.lacks]
        return "; ".join(reasons) or None


MINISTACK = Target("ministack")
LOCALSTACK = Target(
    "localstack",
    MappingProxyType(
        {
            "iam": "the free core checks no permissions",
            "kept_data": "the free core starts empty",
        }
    ),
)
#: Nothing is known of an endpoint but that we do not start it. What it lacks besides is named by `--without`.
NOT_OURS = MappingProxyType(
    {
        "kept_data": "it is not stopped",
        "own_emulator": "it runs already, and is left running",
        "own_processes": "they run where it runs them",
    }
)


def target(name: str, without: Sequence[str] = ()) -> Target:
    """The target of a name.

    Raises
    ------
    ValueError
        there is no such target or feature.
    """
    for feature in without:
        if feature not in FEATURES:
            raise ValueError(f"--without {feature}: the features are {', '.join(FEATURES)}")
    more = dict.fromkeys(without, "--without names it")
    for known in (MINISTACK, LOCALSTACK):
        if name == known.name:
            return Target(name, {**known.lacks, **more})
    if name.startswith(("http://", "https://")):
        return Target(name.rstrip("/"), {**NOT_OURS, **more})
    raise ValueError(f"--target {name}: give ministack, localstack, or the URL of an endpoint that runs")
