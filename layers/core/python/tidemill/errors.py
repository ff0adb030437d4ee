"""Every exception class of Tidemill.

The class names are part of the contract: Retry and Catch in `infra/*.asl.json`
match them, and a test checks that each name used there exists here. A message is
one sentence for a person: what was wrong, with which field, and the way out.
"""


class TidemillError(Exception):
    """Base of every error that Tidemill raises on purpose."""


class ContractError(TidemillError):
    """A document (spec, event, stored JSON) does not have the agreed form; the message names the field."""


class SpecError(ContractError):
    """The project's spec is wrong; raised before any data is read."""


class DataRefused(TidemillError):
    """The uploaded file is no usable table, or a check refused it. The run ends as REFUSED_DATA."""


class GateRefused(TidemillError):
    """The best candidate did not pass the project's gates. The run ends as REFUSED_BY_GATE."""


class ApprovalRejected(TidemillError):
    """A person refused the release, or nobody decided in time. The run ends as REFUSED_BY_GATE."""


class ParityError(TidemillError):
    """The exported ONNX graph does not predict what the fitted estimator predicts."""


class CandidateFailed(TidemillError):
    """No candidate could be fitted."""


class SmokePredictionFailed(TidemillError):
    """The new model version did not answer a prediction through the deployed function."""


class AliasConflict(TidemillError):
    """The alias was moved by somebody else between reading and writing it."""


class ApprovalConflict(TidemillError):
    """A release was decided about before; the message says by whom and how."""


class PromotionFrozen(TidemillError):
    """The model's promotions are frozen; the message says by whom and why. A run ends as REFUSED_BY_GATE."""


class RolloutConflict(TidemillError):
    """Another rollout of the model is under way; the message says which."""


class RolledBack(TidemillError):
    """A version that was let in did worse than the champion and was taken back. The run ends as ROLLED_BACK."""


class TrafficConflict(TidemillError):
    """The model's traffic was changed by somebody else between reading and writing it, or belongs to a rollout."""


class NotAllowed(TidemillError):
    """The person may not do this (HTTP 403); the message says why."""


class ImmutableVersion(TidemillError):
    """A model version with this number exists already with other content."""


class NotFound(TidemillError):
    """A project, run, model, version or alias that does not exist; the message names it."""


class InputRefused(TidemillError):
    """A prediction request does not fit the model's signature (HTTP 400); the message names the field."""


class RequestTooLarge(InputRefused):
    """A prediction request has more rows or bytes than one answer can hold (HTTP 413)."""


class StorageError(TidemillError):
    """An object store, table or queue did not answer as agreed."""


class LookupFailed(TidemillError):
    """The features of a prediction could not be looked up (HTTP 503); the message says of which set."""


class FunctionFailed(TidemillError):
    """A called function ended with an error of its own; the message has it."""
