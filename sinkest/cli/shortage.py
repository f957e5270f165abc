"""What a command says when memory is short: worded, and room to say it kept, before it is."""

from __future__ import annotations

from sinkest.cli.manner import complain
from sinkest.messages import text

_KEPT_BYTES = 8 * 2**20
_ASKED_BYTES = 64 * 2**20
_NO_ROOM_FOR_A_THREAD = ("can't start new thread", "Failed to launch worker thread")
"""What Python and Arrow say where the system gives no memory for one; neither makes it a MemoryError."""


class Reserve:
    """Address space kept aside, and the words that may have to be said when there is no other."""

    def __init__(self) -> None:
        self._kept: bytearray | None = bytearray(_KEPT_BYTES)
        self._words, self._head = text("trust.out_of_memory"), text("cli.error")

    def was_needed(self, problem: Exception) -> bool:
        """Whether memory was what was missing; libraries that run out of it fail with errors of any kind."""
        one: BaseException | None = problem
        while one is not None:
            if isinstance(one, MemoryError) or any(sign in str(one) for sign in _NO_ROOM_FOR_A_THREAD):
                return True
            one = one.__cause__ or one.__context__
        try:
            bytearray(_ASKED_BYTES)
        except MemoryError:
            return True
        return False

    def say(self, problem: Exception, exit_code: int) -> None:
        """Let go of what the work held and of the reserve, and tell."""
        problem.__traceback__ = problem.__cause__ = problem.__context__ = None
        self._kept = None
        complain("trust.out_of_memory", self._words, exit_code, self._head)
