"""The errors that are told here: one of each kind."""

from __future__ import annotations

from ...._core.error_kinds import error_info

TRANSIENT = error_info("server_error", None, "")
FATAL = error_info("insufficient_quota", None, "")
LIMITED = error_info("rate_limit_exceeded", None, "")
LOST = error_info(None, "server_error", "the connection is gone")
EXPIRED = error_info("session_expired", None, "")
#: Seconds until exhausted rate limits are reset; more than anybody waits.
RESET_AFTER = 30.0
#: The code of a conflict; its message names a response.
ACTIVE = "conversation_already_has_active_response"
NOT_ACTIVE = error_info("response_cancel_not_active", None, "Cancellation failed")
