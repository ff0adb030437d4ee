"""What to do about a finding, by the check's name."""

ADVICE: dict[str, str] = {}
