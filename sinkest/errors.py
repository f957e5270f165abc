"""The error family: what was given, where, what was expected, what to do.

Every error carries an id of the message catalogue, so it reads in Chinese and in English.
"""

from __future__ import annotations

from typing import Any

from sinkest.messages import Message


class SinkestError(Exception):
    """Base of all errors a user can cause or mend.

    Parameters
    ----------
    key : str
        Id in the message catalogue, e.g. ``"aoi.self_crossing"``.
    **fields
        What the text names: file, row, column, key, value, ...
    """

    exit_code = 2

    def __init__(self, key: str, /, **fields: Any) -> None:
        self.message = Message.of(key, **fields)
        self.fields = fields
        super().__init__(key)

    @property
    def key(self) -> str:
        """Id in the message catalogue."""
        return self.message.key

    def __str__(self) -> str:
        return self.message.text()

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.key, self.fields)


def _rebuild(kind: type[SinkestError], key: str, fields: dict[str, Any]) -> SinkestError:
    return kind(key, **fields)


class ConfigError(SinkestError):
    """A key or value of a configuration file."""


class InputError(SinkestError, ValueError):
    """A file, table, array or argument that cannot be used as given."""


class ModelError(SinkestError):
    """A recipe or a saved model that is refused."""


class RunError(SinkestError):
    """A run folder, stage or output that is not as the manifest says, or cannot be written."""


class SourceError(SinkestError):
    """An imagery source that did not deliver.

    Parameters
    ----------
    kind : str
        One of ``"missing"``, ``"unreadable"``, ``"mismatch"``, ``"empty"``, ``"access"``, ``"network"``.
    status : int or None
        Status code of the service, where there is one.
    retryable : bool
        Whether the same request may succeed later.
    """

    def __init__(
        self, key: str, /, *, kind: str, status: int | None = None, retryable: bool = False, **fields: Any
    ) -> None:
        super().__init__(key, **fields)
        self.kind = kind
        self.status = status
        self.retryable = retryable

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_source, (self.key, self.kind, self.status, self.retryable, self.fields)


def _rebuild_source(key: str, kind: str, status: int | None, retryable: bool, fields: dict[str, Any]) -> SourceError:
    return SourceError(key, kind=kind, status=status, retryable=retryable, **fields)
