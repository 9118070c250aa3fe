"""The words for delegated work of a full-duplex model: states, events, and what can be lost of it.

GPT-Live speaks and listens by itself; what it cannot answer it hands on as a *delegation*: to a backend
Responses model, whose calls the application answers (``target: responses``), or to the application
itself (``target: client``).
"""

from __future__ import annotations

from enum import Enum


class DelegationState(Enum):
    """Where work stands that a backend Responses model does."""

    #: The voice model handed it on; the backend has not begun.
    CREATED = "created"
    #: A response of the backend runs.
    RUNNING = "running"
    #: A response is complete, and calls of it have no result yet.
    OWING = "owing calls"
    #: Every call has its result, and nobody asked for the continuation yet.
    READY = "ready"
    #: The ``response.create`` for the continuation is out; the service has not answered.
    CREATE_SENT = "create sent"
    #: The service refused the continuation, or a result: nothing goes on by itself.
    REFUSED = "refused"
    #: Final. The backend said all it had to say.
    COMPLETED = "completed"
    #: Final. The backend's response failed.
    FAILED = "failed"
    #: Final. The backend's response was cut short.
    INCOMPLETE = "incomplete"
    #: Final. Its connection is gone, and what it would have said with it.
    LOST = "lost"


class ClientState(Enum):
    """Where work stands that the application does."""

    #: Handed to the application, which did nothing about it yet.
    CREATED = "created"
    #: The application told of progress, or its answer is on the way.
    WORKING = "working"
    #: It takes longer than it should.
    OVERDUE = "overdue"
    #: Final. The service took the answer.
    ANSWERED = "answered"
    #: Final. Its connection is gone: no answer reaches it any more.
    LOST = "lost"


class DelegationEvent(Enum):
    """What can happen to backend work. The value says where it comes from."""

    RESPONSE_CREATED = "response.event: response.created"
    CALL_RECEIVED = "response.event: response.output_item.done, a function call"
    RESPONSE_COMPLETED = "response.event: response.completed"
    RESPONSE_FAILED = "response.event: response.failed"
    RESPONSE_INCOMPLETE = "response.event: response.incomplete"
    RESULT_SENT = "client: response.item.create with the result of one of its calls"
    CREATE_SENT = "client: response.create"
    RESULT_REFUSED = "error that answers the response.item.create"
    CREATE_REFUSED = "error that answers the response.create"
    CONTINUED_TOGETHER = "its create was answered by the response of another delegation"
    CALL_OVERDUE = "timer: a call is open for long"
    STALLED = "timer: nothing was heard of it for long"
    CONNECTION_LOST = "session.closed, or another connection"
    CLOSED = "the application closes the session"


class ClientEvent(Enum):
    """What can happen to work of the application. The value says where it comes from."""

    PROGRESS_SENT = "client: session.thinking.append or session.instructions.append for it"
    ANSWER_SENT = "client: session.commentary.append for it"
    ANSWER_TAKEN = "session.commentary.appended"
    ANSWER_REFUSED = "error that answers the session.commentary.append"
    OVERDUE = "timer: no answer for long"
    CONNECTION_LOST = "session.closed, or another connection"
    CLOSED = "the application closes the session"


class LossKind(Enum):
    """What can be lost without a word from plain LiveKit."""

    #: The backend's response failed, or was cut short.
    BACKEND_FAILED = "backend_failed"
    #: The service refused a continuation, a result or an answer; it is not sent again.
    CONTINUATION_REFUSED = "continuation_refused"
    #: A call, or work of the application, is open for longer than it should be.
    CALL_OPEN = "call_open"
    #: The connection went, and with it what the delegation would have said.
    RESULT_LOST = "result_lost"
    #: Nothing was heard of a delegation for long.
    STALLED = "stalled"
    #: One connection after another: each is opened at once, and none lasts.
    CONNECTION_STORM = "connection_storm"
    #: The session reached its longest duration.
    SESSION_EXPIRED = "session_expired"
