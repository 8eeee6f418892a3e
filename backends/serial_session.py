"""A session that serves one thread at a time, lent to several."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from roi_accel._util.closing import Closing

if TYPE_CHECKING:
    from roi_accel.backends.frame import Frame
    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import Alpha, Mask, ModelInput, Session


class SerialSession(Closing):
    """`session` behind a lock, so that a frame can be masked while the next one waits for its mask.

    Parameters
    ----------
    session : Session
        Which is not for use by two threads at once.

    Attributes
    ----------
    inner : Session
        That one.
    """

    def __init__(self, session: Session) -> None:
        self.inner = session
        self._lock = threading.Lock()

    @property
    def plan(self) -> Plan:
        """What the session was opened for."""
        return self.inner.plan

    def preprocess(self, reference: Frame) -> ModelInput:
        """As `Session.preprocess`, when it is this thread's turn."""
        with self._lock:
            return self.inner.preprocess(reference)

    def upsample(self, mask: Mask) -> Alpha:
        """As `Session.upsample`, when it is this thread's turn."""
        with self._lock:
            return self.inner.upsample(mask)

    def substitute(self, reference: Frame, distorted: Frame, mask: Mask) -> Frame:
        """As `Session.substitute`, when it is this thread's turn."""
        with self._lock:
            return self.inner.substitute(reference, distorted, mask)

    def close(self) -> None:
        """Close the session, after what is under way."""
        with self._lock:
            self.inner.close()
