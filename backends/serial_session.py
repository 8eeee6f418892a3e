"""A session that serves one thread at a time, lent to several."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from roi_accel.backends.closing import Closing
from roi_accel.backends.protocol import InfersOnDevice

if TYPE_CHECKING:
    from roi_accel.backends.frame import Frame
    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import (
        Alpha,
        InferringSession,
        Mask,
        ModelInput,
        RunNetwork,
        Session,
    )


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


class SerialInferringSession(SerialSession):
    """The same for a session beside whose kernels the network runs: no frame is masked meanwhile.

    Parameters
    ----------
    session : Session
        Which is InfersOnDevice, too.
    """

    def __init__(self, session: InferringSession) -> None:
        super().__init__(session)
        self._inferring = session

    @property
    def tensor_device(self) -> tuple[str, int]:
        """As `InfersOnDevice.tensor_device`."""
        return self._inferring.tensor_device

    def infer(self, reference: Frame, run: RunNetwork) -> Mask:
        """As `InfersOnDevice.infer`, when it is this thread's turn."""
        with self._lock:
            return self._inferring.infer(reference, run)


def serial(session: Session) -> SerialSession:
    """Return `session` behind a lock, which keeps the network on the device if it was there."""
    if isinstance(session, InfersOnDevice):
        return SerialInferringSession(session)
    return SerialSession(session)
