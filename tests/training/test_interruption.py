"""Signals to a run: the first is noted, its echo changes nothing, a second one stops at once."""

import os
import signal

import pytest

from reir.training.interruption import Interruption


def test_the_echo_of_a_launcher_is_no_second_signal():
    with Interruption(echo=60.0) as interruption:
        assert not interruption.asked
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.asked


def test_a_second_one_stops_at_once():
    before = signal.getsignal(signal.SIGINT)
    with Interruption(echo=0.0) as interruption:
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
