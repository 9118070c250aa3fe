"""Where each state stands, and how its arrows run. By hand: see ``docs/decisions.md``.

What there is to draw comes from the tables; this only says where. An arrow without a route is
drawn as a curve. A state without a place is an error (and a test that fails).

The turn is drawn like a map of railway lines: normal life runs straight through the middle,
recovery and failure above it, the cancel and the early ends below. Arrows with the same end share
a line.
"""

from __future__ import annotations

from dataclasses import replace

from ._geometry import Layout, Place, Route
from ._model import Chart

_F = ("REQUESTED", "FAILED")
_R = ("STREAMING", "RETRY_WAIT")
_C = ("REQUESTED", "CANCELLING")
_D = ("REQUESTED", "DONE")

#: With every rule, for a wide page: the arrows have numbers.
TURN_WIDE = Layout(
    "turn",
    1400,
    670,
    places={
        "REQUESTED": Place(270, 350, 240, 64),
        "CREATED": Place(640, 350, 150, 64),
        "STREAMING": Place(930, 358, 236, 84, loop=62),
        "RETRY_WAIT": Place(270, 70, 240, 58),
        "CANCELLING": Place(930, 520, 180, 58),
        "DONE": Place(1280, 350, 140, 64),
        "FAILED": Place(1280, 70, 140, 58),
    },
    routes={
        ("REQUESTED", "CREATED"): Route(("right", 0), ("left", 0), label="top", centred=True),
        ("CREATED", "STREAMING"): Route(("right", 0), ("left", -8), label="top", centred=True),
        ("STREAMING", "DONE"): Route(("right", -8), ("left", 0), label="bottom", centred=True),
        ("RETRY_WAIT", "REQUESTED"): Route(
            ("bottom", -104), ("top", -104), label="left", centred=True
        ),
        ("RETRY_WAIT", "CREATED"): Route(("right", 16), ("top", 0), (640,), label="bottom"),
        ("REQUESTED", "RETRY_WAIT"): Route(
            ("top", 34), ("bottom", 34), label="left", joins=(_R, (304, 158))
        ),
        ("CREATED", "RETRY_WAIT"): Route(
            ("top", -24), ("bottom", 34), (174,), label="left", joins=(_R, (616, 174))
        ),
        _R: Route(("top", -24), ("bottom", 34), (174,), label="left"),
        _F: Route(("top", 92), ("bottom", 0), (140,), label="right"),
        ("CREATED", "FAILED"): Route(
            ("top", 24), ("bottom", 0), (140,), label="right", joins=(_F, (664, 140))
        ),
        ("STREAMING", "FAILED"): Route(
            ("top", 24), ("bottom", 0), (140,), label="right", joins=(_F, (954, 140))
        ),
        ("RETRY_WAIT", "FAILED"): Route(("right", 0), ("left", 0), label="top"),
        _C: Route(("bottom", 70), ("left", 0), (520,), label="right"),
        ("CREATED", "CANCELLING"): Route(
            ("bottom", 30), ("left", 0), (520,), label="right", joins=(_C, (670, 520))
        ),
        ("STREAMING", "CANCELLING"): Route(
            ("bottom", -30), ("top", -30), label="left", centred=True
        ),
        ("CANCELLING", "DONE"): Route(("right", 0), ("bottom", -30), (1250,), label="bottom"),
        _D: Route(("bottom", -70), ("bottom", 20), (636,), label="right"),
        ("CREATED", "DONE"): Route(
            ("bottom", -30), ("bottom", 20), (636,), label="left", joins=(_D, (610, 636))
        ),
        ("RETRY_WAIT", "DONE"): Route(
            ("left", 0), ("bottom", 20), (46, 600), label="bottom", joins=(_D, (200, 600))
        ),
    },
)

#: The words at the arrows, for a column of a page. Those of retries stand above those of failures.
TURN_OVERVIEW = Layout(
    "turn-overview",
    1040,
    720,
    places={
        "REQUESTED": Place(180, 400, 200, 64),
        "CREATED": Place(475, 400, 120, 64),
        "STREAMING": Place(705, 408, 140, 84, loop=45),
        "RETRY_WAIT": Place(180, 70, 230, 58),
        "CANCELLING": Place(705, 570, 150, 58),
        "DONE": Place(975, 400, 90, 64),
        "FAILED": Place(975, 70, 110, 58),
    },
    routes={
        ("REQUESTED", "CREATED"): Route(("right", 0), ("left", 0), label="top", centred=True),
        ("CREATED", "STREAMING"): Route(("right", 0), ("left", -8), label="top", centred=True),
        ("STREAMING", "DONE"): Route(("right", -8), ("left", 0), label="bottom", centred=True),
        ("RETRY_WAIT", "REQUESTED"): Route(("bottom", -100), ("top", -100), label="right"),
        ("RETRY_WAIT", "CREATED"): Route(("right", 16), ("top", 0), (475,), label="bottom"),
        ("REQUESTED", "RETRY_WAIT"): Route(
            ("top", 60), ("bottom", 60), label="left", joins=(_R, (240, 160))
        ),
        ("CREATED", "RETRY_WAIT"): Route(
            ("top", -40), ("bottom", 60), (176,), label="left", joins=(_R, (435, 176)), far=True
        ),
        _R: Route(("top", -20), ("bottom", 60), (176,), label="left", far=True),
        _F: Route(("top", 90), ("bottom", 0), (140,), label="right"),
        ("CREATED", "FAILED"): Route(
            ("top", 40), ("bottom", 0), (140,), label="right", joins=(_F, (515, 140))
        ),
        ("STREAMING", "FAILED"): Route(
            ("top", 25), ("bottom", 0), (140,), label="right", joins=(_F, (730, 140))
        ),
        ("RETRY_WAIT", "FAILED"): Route(("right", 0), ("left", 0), label="top"),
        _C: Route(("bottom", 95), ("left", 0), (570,), label="right", centred=True),
        ("CREATED", "CANCELLING"): Route(
            ("bottom", 25), ("left", 0), (570,), label="right", joins=(_C, (500, 570))
        ),
        ("STREAMING", "CANCELLING"): Route(
            ("bottom", -30), ("top", -30), label="left", centred=True
        ),
        ("CANCELLING", "DONE"): Route(("right", 0), ("bottom", -25), (950,), label="bottom"),
        _D: Route(("bottom", -30), ("bottom", 20), (690,), label="right"),
        ("CREATED", "DONE"): Route(
            ("bottom", -25), ("bottom", 20), (690,), label="left", joins=(_D, (450, 690))
        ),
        ("RETRY_WAIT", "DONE"): Route(
            ("left", 0), ("bottom", 20), (16, 640), label="top", joins=(_D, (150, 640)), leg=2
        ),
    },
)

_F2 = ("RETRY_WAIT", "FAILED")

#: For a telephone or a narrow column: the same map, running downwards.
TURN_NARROW = Layout(
    "turn-narrow",
    700,
    1175,
    places={
        "REQUESTED": Place(370, 262, 150, 296),
        "CREATED": Place(370, 580, 150, 220),
        "STREAMING": Place(370, 875, 150, 250, loop=40),
        "RETRY_WAIT": Place(85, 205, 130, 110),
        "CANCELLING": Place(602, 875, 120, 64),
        "DONE": Place(370, 1128, 150, 66),
        "FAILED": Place(85, 1128, 130, 66),
    },
    routes={
        ("REQUESTED", "CREATED"): Route(("bottom", 0), ("top", 0), label="right", centred=True),
        ("CREATED", "STREAMING"): Route(("bottom", 0), ("top", 0), label="right", centred=True),
        ("STREAMING", "DONE"): Route(("bottom", 0), ("top", 0), label="left", centred=True),
        ("RETRY_WAIT", "REQUESTED"): Route(("right", 43), ("left", -14), label="bottom"),
        ("RETRY_WAIT", "CREATED"): Route(
            ("bottom", 0), ("left", -92), (488,), label="right", far=True
        ),
        ("REQUESTED", "RETRY_WAIT"): Route(("left", -37), ("right", 20), label="top"),
        ("CREATED", "RETRY_WAIT"): Route(
            ("left", 0), ("bottom", 50), (135,), label="top", joins=(_R, (135, 580))
        ),
        _R: Route(("left", -30), ("bottom", 50), (135,), label="top"),
        _F2: Route(("bottom", -45), ("top", -45), label="right", wrap=10),
        _F: Route(("left", 130), ("top", -45), (40,), label="top", joins=(_F2, (40, 392))),
        ("CREATED", "FAILED"): Route(
            ("left", 100), ("top", -45), (40,), label="top", joins=(_F2, (40, 680))
        ),
        ("STREAMING", "FAILED"): Route(
            ("left", 105), ("top", -45), (40,), label="top", joins=(_F2, (40, 980))
        ),
        _C: Route(("right", 68), ("top", 0), (602,), label="top"),
        ("CREATED", "CANCELLING"): Route(
            ("right", 60), ("top", 0), (602,), label="top", joins=(_C, (602, 640))
        ),
        ("STREAMING", "CANCELLING"): Route(("right", 0), ("left", 0), label="top"),
        ("CANCELLING", "DONE"): Route(("bottom", 0), ("right", -12), (1116,), label="left"),
        _D: Route(("right", -62), ("right", 12), (675,), label="top"),
        ("CREATED", "DONE"): Route(
            ("right", -60), ("right", 12), (675,), label="top", joins=(_D, (675, 520))
        ),
        ("RETRY_WAIT", "DONE"): Route(
            ("top", 0), ("right", 12), (40, 650), label="bottom", joins=(_D, (650, 200)), leg=1
        ),
    },
    start="top",
)

_E = ("QUEUED", "ENDED")
_U = ("UNANSWERED", "ENDED")
_A = ("ENDED", "ACTIVE")

#: Wanted above, given up below, over on the right; what is only heard of stands apart.
RESPONSE = Layout(
    "response",
    1400,
    850,
    places={
        "QUEUED": Place(170, 150, 140, 64, loop=34),
        "SENT": Place(480, 150, 220, 64),
        "DOUBTED": Place(715, 250, 110, 52, loop=-30),
        "ACTIVE": Place(860, 150, 160, 64, loop=36),
        "WITHDRAWN": Place(170, 350, 220, 64),
        "UNANSWERED": Place(480, 350, 150, 64, loop=-40),
        "PROBED": Place(480, 560, 220, 120),
        "CANCELLING": Place(860, 350, 190, 64),
        "RUMOURED": Place(480, 720, 160, 64, loop=-30),
        "ENDED": Place(1270, 150, 170, 84),
        "FORGOTTEN": Place(1270, 640, 170, 230, loop=-30),
    },
    routes={
        ("QUEUED", "SENT"): Route(("right", 0), ("left", 0), label="top"),
        ("SENT", "ACTIVE"): Route(("right", 0), ("left", 0), label="top"),
        ("ACTIVE", "ENDED"): Route(("right", 0), ("left", 0), label="top", centred=True),
        ("QUEUED", "WITHDRAWN"): Route(("bottom", -30), ("top", -30), label="left", centred=True),
        ("SENT", "UNANSWERED"): Route(("bottom", 0), ("top", 0), label="right", centred=True),
        ("ACTIVE", "CANCELLING"): Route(("bottom", -30), ("top", -30), label="left", centred=True),
        ("WITHDRAWN", "UNANSWERED"): Route(("right", 0), ("left", 0), label="top"),
        ("UNANSWERED", "CANCELLING"): Route(("right", 0), ("left", 0), label="top", centred=True),
        ("UNANSWERED", "PROBED"): Route(("bottom", 0), ("top", 0), label="right", centred=True),
        ("SENT", "DOUBTED"): Route(("right", 24), ("top", -30), (685,), label="bottom"),
        ("DOUBTED", "ACTIVE"): Route(("right", 0), ("bottom", -60), (800,), label="bottom"),
        ("DOUBTED", "UNANSWERED"): Route(("left", 12), ("top", 50), (530,), label="top"),
        ("DOUBTED", "PROBED"): Route(("bottom", 0), ("top", 60), (470,), label="bottom"),
        ("DOUBTED", "ENDED"): Route(
            ("top", 20), ("top", 0), (40,), label="right", joins=(_E, (735, 40))
        ),
        _A: Route(("left", 25), ("right", 25), label="bottom"),
        ("UNANSWERED", "ACTIVE"): Route(
            ("top", 60), ("bottom", -74), (300, 786), label="top", leg=1
        ),
        ("PROBED", "ACTIVE"): Route(
            ("right", 15), ("right", 25), (990,), label="bottom", joins=(_A, (990, 175))
        ),
        ("FORGOTTEN", "ACTIVE"): Route(
            ("left", -60), ("right", 25), (1040,), label="bottom", joins=(_A, (1040, 175))
        ),
        ("SENT", "PROBED"): Route(("bottom", -93), ("top", -93), label="left"),
        ("PROBED", "CANCELLING"): Route(("right", -14), ("bottom", -40), (820,), label="top"),
        ("PROBED", "FORGOTTEN"): Route(("right", 44), ("left", -36), label="bottom", centred=True),
        ("CANCELLING", "FORGOTTEN"): Route(("right", 16), ("top", -40), (1230,), label="bottom"),
        ("FORGOTTEN", "CANCELLING"): Route(("left", -95), ("bottom", 40), (900,), label="top"),
        ("CANCELLING", "ENDED"): Route(("right", -16), ("bottom", -40), (1230,), label="top"),
        ("ENDED", "CANCELLING"): Route(("bottom", -70), ("top", 50), (250,), label="left"),
        ("FORGOTTEN", "ENDED"): Route(("top", 40), ("bottom", 40), label="right", centred=True),
        ("RUMOURED", "FORGOTTEN"): Route(("right", -16), ("left", 64), label="top", centred=True),
        ("FORGOTTEN", "RUMOURED"): Route(("left", 96), ("right", 16), label="bottom", centred=True),
        ("RUMOURED", "CANCELLING"): Route(("top", 60), ("bottom", -10), (655,), label="top", leg=1),
        ("RUMOURED", "ENDED"): Route(
            ("bottom", 50), ("right", 0), (815, 1378), label="bottom", leg=1
        ),
        _E: Route(("top", 0), ("top", 0), (40,), label="right"),
        ("SENT", "ENDED"): Route(
            ("top", 0), ("top", 0), (40,), label="right", joins=(_E, (480, 40))
        ),
        ("WITHDRAWN", "ENDED"): Route(
            ("top", 90), ("top", 0), (40,), label="right", joins=(_E, (260, 40))
        ),
        _U: Route(
            ("right", -20), ("top", 0), (650, 40), label="right", leg=1, joins=(_E, (650, 40))
        ),
        ("PROBED", "ENDED"): Route(
            ("right", -44), ("top", 0), (650, 40), label="left", leg=1, joins=(_E, (650, 40))
        ),
    },
    starts={"ACTIVE": "top"},
    crowded=True,
)

PLAYBACK = Layout(
    "playback",
    1000,
    400,
    places={
        "WAITING": Place(190, 140, 150, 60),
        "PLAYING": Place(490, 140, 150, 60, loop=-50),
        "PAUSED": Place(490, 310, 150, 60, loop=0),
        "FINISHED": Place(850, 140, 150, 60),
    },
    routes={
        ("WAITING", "PLAYING"): Route(("right", 0), ("left", 0), label="top", centred=True),
        ("WAITING", "FINISHED"): Route(("top", 0), ("top", 0), (50,), label="right"),
        ("PLAYING", "FINISHED"): Route(("right", 0), ("left", 0), label="top", centred=True),
        ("PLAYING", "PAUSED"): Route(("bottom", 10), ("top", 10), label="left", centred=True),
        ("PAUSED", "PLAYING"): Route(("top", 50), ("bottom", 50), label="right", centred=True),
        ("PAUSED", "FINISHED"): Route(("right", 0), ("bottom", 0), (850,), label="top"),
    },
)

_DF = ("CREATED", "FAILED")
_DI = ("CREATED", "INCOMPLETE")
_DL = ("CREATED", "LOST")

#: Calls, results and continuations run around below the middle; what ends a delegation stands right.
DELEGATION = Layout(
    "delegation",
    1400,
    850,
    places={
        "CREATED": Place(150, 330, 150, 64, loop=-30),
        "RUNNING": Place(450, 330, 200, 90, loop=-5),
        "OWING": Place(330, 560, 190, 64, loop=-70),
        "READY": Place(640, 560, 130, 64, loop=2),
        "CREATE_SENT": Place(1000, 560, 170, 64, loop=10),
        "REFUSED": Place(780, 690, 170, 64, loop=-45),
        "COMPLETED": Place(1290, 330, 150, 70),
        "FAILED": Place(1290, 70, 150, 58),
        "INCOMPLETE": Place(1290, 180, 150, 58),
        "LOST": Place(1290, 800, 150, 58),
    },
    routes={
        ("CREATED", "RUNNING"): Route(("right", 0), ("left", 0), label="top", centred=True),
        ("CREATED", "OWING"): Route(("right", 20), ("top", -50), (280,), label="bottom"),
        ("CREATED", "COMPLETED"): Route(("top", 50), ("top", 0), (245,), label="right"),
        ("RUNNING", "COMPLETED"): Route(("right", -25), ("left", -25), label="top"),
        ("RUNNING", "OWING"): Route(("bottom", -45), ("top", 75), label="right", centred=True),
        ("OWING", "RUNNING"): Route(("top", 35), ("bottom", -85), label="left", centred=True),
        ("RUNNING", "READY"): Route(("bottom", 75), ("left", -15), (545,), label="right"),
        ("OWING", "READY"): Route(("right", 12), ("left", 12), label="bottom", centred=True),
        ("OWING", "CREATE_SENT"): Route(("bottom", 60), ("bottom", -70), (625,), label="right"),
        ("READY", "CREATE_SENT"): Route(("right", 0), ("left", 0), label="bottom"),
        ("READY", "RUNNING"): Route(("top", 0), ("right", 35), (365,), label="right"),
        ("CREATE_SENT", "RUNNING"): Route(("top", -60), ("right", -5), (325,), label="left"),
        ("CREATE_SENT", "COMPLETED"): Route(("right", 0), ("bottom", 0), (1290,), label="top"),
        ("REFUSED", "RUNNING"): Route(("top", -30), ("right", 15), (345,), label="right"),
        ("OWING", "REFUSED"): Route(("bottom", 30), ("left", 15), (705,), label="right"),
        ("READY", "REFUSED"): Route(("bottom", 40), ("left", -15), (675,), label="right"),
        ("CREATE_SENT", "REFUSED"): Route(("bottom", -15), ("right", 15), (705,), label="right"),
        ("REFUSED", "CREATE_SENT"): Route(("right", -15), ("bottom", -45), (955,), label="bottom"),
        _DF: Route(("top", -50), ("left", 0), (70,), label="right"),
        ("RUNNING", "FAILED"): Route(
            ("top", 70), ("left", 0), (70,), label="right", joins=(_DF, (520, 70))
        ),
        ("CREATE_SENT", "FAILED"): Route(
            ("top", 65), ("left", 0), (70,), label="right", joins=(_DF, (1065, 70))
        ),
        _DI: Route(("top", 0), ("left", 0), (180,), label="right"),
        ("RUNNING", "INCOMPLETE"): Route(
            ("top", 30), ("left", 0), (180,), label="right", joins=(_DI, (480, 180))
        ),
        ("CREATE_SENT", "INCOMPLETE"): Route(
            ("top", 30), ("left", 0), (180,), label="right", joins=(_DI, (1030, 180))
        ),
        _DL: Route(("bottom", 30), ("left", 0), (800,), label="right"),
        ("RUNNING", "LOST"): Route(
            ("bottom", 40), ("left", 0), (800,), label="right", joins=(_DL, (490, 800))
        ),
        ("OWING", "LOST"): Route(
            ("bottom", -20), ("left", 0), (800,), label="right", joins=(_DL, (310, 800))
        ),
        ("READY", "LOST"): Route(
            ("bottom", -45), ("left", 0), (800,), label="left", joins=(_DL, (595, 800))
        ),
        ("CREATE_SENT", "LOST"): Route(
            ("bottom", 65), ("left", 0), (800,), label="right", joins=(_DL, (1065, 800))
        ),
        ("REFUSED", "LOST"): Route(
            ("bottom", 30), ("left", 0), (800,), label="right", joins=(_DL, (810, 800))
        ),
    },
    starts={"RUNNING": "top", "CREATE_SENT": "top"},
    crowded=True,
)

CLIENT = Layout(
    "client",
    1000,
    470,
    places={
        "CREATED": Place(150, 110, 150, 60),
        "WORKING": Place(480, 110, 150, 60, loop=-50),
        "OVERDUE": Place(480, 270, 150, 60, loop=-50),
        "ANSWERED": Place(880, 110, 150, 60),
        "LOST": Place(880, 400, 150, 60),
    },
    routes={
        ("CREATED", "WORKING"): Route(("right", 0), ("left", 0), label="top", centred=True),
        ("WORKING", "ANSWERED"): Route(("right", -10), ("left", -10), label="top", centred=True),
        ("CREATED", "OVERDUE"): Route(("bottom", 30), ("left", 0), (270,), label="right"),
        ("WORKING", "OVERDUE"): Route(("bottom", 20), ("top", 20), label="right", centred=True),
        ("OVERDUE", "ANSWERED"): Route(("right", 0), ("bottom", 0), (880,), label="top"),
        ("CREATED", "LOST"): Route(("bottom", -30), ("left", 0), (400,), label="right", leg=1),
        ("WORKING", "LOST"): Route(("right", 12), ("left", -15), (720,), label="bottom"),
        ("OVERDUE", "LOST"): Route(
            ("bottom", 20),
            ("left", 0),
            (400,),
            label="right",
            joins=(("CREATED", "LOST"), (500, 400)),
        ),
    },
)

WHOLE = Layout(
    "whole",
    1400,
    760,
    places={
        "LANE": Place(300, 70, 190, 84),
        "SPEECH": Place(520, 70, 170, 84),
        "TIMER": Place(810, 70, 150, 84),
        "HOST": Place(115, 350, 170, 160),
        "SINK": Place(115, 680, 170, 84),
        "TURN": Place(560, 330, 380, 150),
        "RESPONSE": Place(1010, 355, 210, 300),
        "PLAYBACK": Place(540, 660, 220, 130),
        "CONNECTION": Place(1010, 680, 190, 88),
        "DRIVER": Place(1305, 470, 150, 84),
        "SERVER": Place(1305, 280, 150, 230),
    },
    routes={
        ("LANE", "TURN"): Route(("bottom", 85), ("top", -175), label="left", centred=True),
        ("SPEECH", "TURN"): Route(("bottom", 0), ("top", -40), label="right", centred=True),
        ("TIMER", "TURN"): Route(("bottom", -70), ("top", 180), label="right", centred=True),
        ("TIMER", "RESPONSE"): Route(("right", 0), ("top", -70), (940,), label="top"),
        ("SERVER", "TURN"): Route(("top", 0), ("top", 100), (10,), label="bottom", leg=1),
        ("HOST", "TURN"): Route(("right", -30), ("left", -10), label="bottom", centred=True),
        ("HOST", "PLAYBACK"): Route(("right", 55), ("left", -30), (300,), label="right", leg=1),
        ("SINK", "PLAYBACK"): Route(("right", 0), ("left", 20), label="bottom", centred=True),
        ("TURN", "PLAYBACK"): Route(("bottom", -70), ("top", -50), label="left", centred=True),
        ("PLAYBACK", "TURN"): Route(("top", 60), ("bottom", 40), label="left", centred=True),
        ("TURN", "RESPONSE"): Route(("right", 60), ("left", 35), label="bottom", centred=True),
        ("RESPONSE", "TURN"): Route(("left", -15), ("right", 10), label="top", centred=True),
        ("SERVER", "RESPONSE"): Route(("left", -20), ("right", -95), label="bottom", centred=True),
        ("DRIVER", "RESPONSE"): Route(("left", 0), ("right", 115), label="bottom", centred=True),
        ("CONNECTION", "TURN"): Route(("left", 0), ("bottom", 150), (710,), label="top"),
        ("CONNECTION", "RESPONSE"): Route(
            ("top", -45), ("bottom", -45), label="left", centred=True
        ),
        ("RESPONSE", "CONNECTION"): Route(("bottom", 50), ("top", 50), label="right", centred=True),
    },
)

#: The layouts of each chart by name: with every rule, as an overview, for a narrow screen. The last one
#: also stands for those that come after it.
LAYOUTS: dict[str, tuple[Layout, ...]] = {
    "turn": (TURN_WIDE, TURN_OVERVIEW, TURN_NARROW),
    "response": (RESPONSE,),
    "playback": (PLAYBACK,),
    "delegation": (DELEGATION,),
    "client": (CLIENT,),
    "whole": (WHOLE,),
}


def spare(chart: Chart) -> Layout:
    """The chart's layout, with a row below for states that have no place in it: in a comparison
    a state may be gone, or too new."""
    layout = LAYOUTS[chart.name][0]
    missing = [s.name for s in chart.states if s.name not in layout.places]
    if not missing:
        return layout
    places = {
        name: Place(150 + i * 230, layout.height + 30, 180, 58) for i, name in enumerate(missing)
    }
    return replace(layout, height=layout.height + 110, places={**layout.places, **places})
