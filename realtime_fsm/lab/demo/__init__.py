"""Four short calls, each with plain LiveKit and with the controlled model, side by side.

Needs the OpenAI plugin (``pip install "realtime-fsm[openai]"``) and no network: the server is the
simulator on loopback, and the sound is played in memory, in real time.
"""

from .calls import CALLS, Call
from .result import Answer, Remembered, Result
from .run import Mode, run_call

__all__ = ["CALLS", "Answer", "Call", "Mode", "Remembered", "Result", "run_call"]
